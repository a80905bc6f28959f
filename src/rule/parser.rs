//! From tokens to a tree of names that nobody has looked up yet. What is broken is noted and passed over up to the next
//! `and`, `or` or closing bracket, so that one reading finds all errors.

use super::condition::Op;
use super::constant::{Constant, Sign};
use super::fault::Fault;
use super::lexer::{Kind, TEXT_BYTES_MAX, Token, tokens};

/// Brackets within brackets at most.
const DEPTH_MAX: usize = 32;
/// Words of the language, which are no names of signals.
const RESERVED: [&str; 8] = ["and", "or", "not", "else", "in", "within", "held", "known"];
/// What looks at a signal otherwise than at its value.
pub(super) const LOOKS: [&str; 6] = ["age", "business_age", "until", "rise", "fall", "firing"];

/// A condition as it was written.
#[derive(Debug)]
pub(super) enum Tree<'t> {
    /// Something that was noted.
    Broken,
    Test(TestTree<'t>),
    /// `within` or `held`.
    Lasting {
        held: bool,
        test: TestTree<'t>,
        length: LengthTree,
    },
    Known(Token<'t>),
    Not(Box<Tree<'t>>),
    All(Vec<Tree<'t>>),
    Any(Vec<Tree<'t>>),
}

/// A test as it was written.
#[derive(Debug)]
pub(super) struct TestTree<'t> {
    /// `age`, `rise`, …
    pub(super) look: Option<Token<'t>>,
    pub(super) name: Token<'t>,
    pub(super) window: Option<LengthTree>,
    pub(super) asks: AsksTree<'t>,
    pub(super) unknown: Option<bool>,
}

/// A length of time as it was written.
#[derive(Debug)]
pub(super) struct LengthTree {
    pub(super) at: usize,
    pub(super) constant: Constant,
}

/// What a test asks, as it was written.
#[derive(Debug)]
pub(super) enum AsksTree<'t> {
    Nothing,
    Compare { sign: Token<'t>, op: Option<Op>, at: usize, constant: Constant },
    Words { sign: Token<'t>, words: Vec<Token<'t>> },
}

/// Something was noted: the caller goes on behind it.
struct Noted;

type Read<T> = Result<T, Noted>;

/// Reads a condition.
pub(super) fn parse<'t>(text: &'t str, faults: &mut Vec<Fault>) -> Tree<'t> {
    if text.len() > TEXT_BYTES_MAX {
        let fault = Fault::new(0, format!("found {} bytes", text.len()));
        faults.push(fault.expected(format!("a condition of at most {TEXT_BYTES_MAX} bytes")));
        return Tree::Broken;
    }
    let tokens = tokens(text, faults);
    let mut parser = Parser { tokens, next: 0, depth: 0, faults };
    let tree = parser.any();
    while parser.peek().kind != Kind::End {
        let token = parser.take();
        let fault = Fault::new(token.at, found(token)).expected("`and`, `or`, or the end");
        parser.faults.push(fault);
        parser.skip();
        // what follows is read as well, for its errors
        if parser.accept("and") || parser.accept("or") {
            parser.any();
        } else {
            parser.accept(")");
        }
    }
    tree
}

struct Parser<'t, 'f> {
    /// With an end after the last.
    tokens: Vec<Token<'t>>,
    next: usize,
    depth: usize,
    faults: &'f mut Vec<Fault>,
}

fn found(token: Token<'_>) -> String {
    match token.kind {
        Kind::End => "found the end".to_owned(),
        _ => format!("found `{}`", token.text),
    }
}

impl<'t> Parser<'t, '_> {
    fn peek(&self) -> Token<'t> {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'t> {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Takes the next token if it reads so.
    fn accept(&mut self, text: &str) -> bool {
        let is_it = self.peek().text == text && self.peek().kind != Kind::End;
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, text: &str) -> Read<()> {
        if self.accept(text) { Ok(()) } else { self.refuse(&format!("`{text}`"), None) }
    }

    fn refuse<T>(&mut self, expected: &str, hint: Option<&str>) -> Read<T> {
        let token = self.peek();
        let mut fault = Fault::new(token.at, found(token)).expected(expected);
        fault.hint = hint.map(str::to_owned);
        self.faults.push(fault);
        Err(Noted)
    }

    /// Passes over what follows something broken.
    fn skip(&mut self) {
        let mut open = 0_usize;
        loop {
            let token = self.peek();
            match token.text {
                _ if token.kind == Kind::End => return,
                "and" | "or" | ")" if open == 0 => return,
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
            self.next += 1;
        }
    }

    fn any(&mut self) -> Tree<'t> {
        let mut parts = vec![self.all()];
        while self.accept("or") {
            parts.push(self.all());
        }
        if parts.len() == 1 { parts.swap_remove(0) } else { Tree::Any(parts) }
    }

    fn all(&mut self) -> Tree<'t> {
        let mut parts = vec![self.part()];
        while self.accept("and") {
            parts.push(self.part());
        }
        if parts.len() == 1 { parts.swap_remove(0) } else { Tree::All(parts) }
    }

    fn part(&mut self) -> Tree<'t> {
        if self.depth >= DEPTH_MAX {
            let said = self.refuse::<()>("fewer brackets within brackets", None);
            debug_assert!(said.is_err());
            self.skip();
            return Tree::Broken;
        }
        self.depth += 1;
        let part = self.primary();
        self.depth -= 1;
        part.unwrap_or_else(|Noted| {
            self.skip();
            Tree::Broken
        })
    }

    fn primary(&mut self) -> Read<Tree<'t>> {
        if self.accept("not") {
            return Ok(Tree::Not(Box::new(self.part())));
        }
        if self.accept("(") {
            let inner = self.any();
            self.expect(")")?;
            return Ok(inner);
        }
        for (word, held) in [("within", false), ("held", true)] {
            if self.accept(word) {
                self.expect("(")?;
                let test = self.test()?;
                self.expect(",")?;
                let length = self.length()?;
                self.expect(")")?;
                return Ok(Tree::Lasting { held, test, length });
            }
        }
        if self.accept("known") {
            self.expect("(")?;
            let name = self.name("the name of a signal")?;
            self.expect(")")?;
            return Ok(Tree::Known(name));
        }
        Ok(Tree::Test(self.test()?))
    }

    fn name(&mut self, expected: &str) -> Read<Token<'t>> {
        let token = self.peek();
        if token.kind == Kind::Word && !RESERVED.contains(&token.text) {
            return Ok(self.take());
        }
        let hint = match token.kind {
            Kind::Number(_) | Kind::Duration(_) => Some("write the signal first: risk >= 0.6"),
            _ => None,
        };
        self.refuse(expected, hint)
    }

    fn test(&mut self) -> Read<TestTree<'t>> {
        let first = self.name("a test of a signal, such as risk >= 0.6")?;
        let (mut look, mut name, mut window) = (None, first, None);
        if self.accept("(") {
            if !LOOKS.contains(&first.text) {
                self.next -= 2;
                let known = LOOKS.join(", ");
                return self.refuse("a signal", Some(&format!("what can be called is {known}")));
            }
            look = Some(first);
            let rule = first.text == "firing";
            name = self.name(if rule { "the name of a rule" } else { "the name of a signal" })?;
            if matches!(first.text, "rise" | "fall") {
                self.expect(",")?;
                window = Some(self.length()?);
            }
            self.expect(")")?;
        }
        let asks = self.asks()?;
        let unknown = if self.accept("else") {
            match self.peek().text {
                "yes" | "no" => Some(self.take().text == "yes"),
                _ => {
                    return self
                        .refuse("`yes` or `no`", Some("say what holds while it is unknown"));
                }
            }
        } else {
            None
        };
        Ok(TestTree { look, name, window, asks, unknown })
    }

    fn asks(&mut self) -> Read<AsksTree<'t>> {
        let sign = self.peek();
        if self.accept("in") {
            self.expect("(")?;
            let mut words = vec![self.name("a word")?];
            while self.accept(",") {
                words.push(self.name("a word")?);
            }
            self.expect(")")?;
            return Ok(AsksTree::Words { sign, words });
        }
        let op = match sign.text {
            ">=" => Some(Op::AtLeast),
            ">" => Some(Op::Above),
            "<=" => Some(Op::AtMost),
            "<" => Some(Op::Below),
            "==" | "!=" => None,
            _ if matches!(sign.kind, Kind::Number(_) | Kind::Duration(_)) => {
                return self.refuse("a sign of comparison, such as `>=`", None);
            }
            _ => return Ok(AsksTree::Nothing),
        };
        self.take();
        let next = self.peek();
        if next.kind == Kind::Word && next.text != "ln" {
            return Ok(AsksTree::Words { sign, words: vec![self.name("a word or a number")?] });
        }
        let constant = self.sum()?;
        Ok(AsksTree::Compare { sign, op, at: next.at, constant })
    }

    fn length(&mut self) -> Read<LengthTree> {
        let at = self.peek().at;
        Ok(LengthTree { at, constant: self.sum()? })
    }

    fn sum(&mut self) -> Read<Constant> {
        let mut sum = self.product()?;
        loop {
            let sign = match self.peek().text {
                "+" => Sign::Plus,
                "-" => Sign::Minus,
                _ => return Ok(sum),
            };
            self.take();
            sum = Constant::Both(Box::new(sum), sign, Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Read<Constant> {
        let mut product = self.factor()?;
        loop {
            let sign = match self.peek().text {
                "*" => Sign::Times,
                "/" => Sign::Over,
                _ => return Ok(product),
            };
            self.take();
            product = Constant::Both(Box::new(product), sign, Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Read<Constant> {
        if self.depth >= DEPTH_MAX {
            return self.refuse("fewer brackets within brackets", None);
        }
        self.depth += 1;
        let factor = self.unnested_factor();
        self.depth -= 1;
        factor
    }

    fn unnested_factor(&mut self) -> Read<Constant> {
        match self.peek().kind {
            Kind::Number(number) => {
                self.take();
                return Ok(Constant::Number(number));
            }
            Kind::Duration(ms) => {
                self.take();
                return Ok(Constant::Duration(ms));
            }
            _ => {}
        }
        if self.accept("-") {
            return Ok(Constant::Minus(Box::new(self.factor()?)));
        }
        if self.accept("ln") {
            self.expect("(")?;
            let inner = self.sum()?;
            self.expect(")")?;
            return Ok(Constant::Ln(Box::new(inner)));
        }
        if self.accept("(") {
            let inner = self.sum()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let hint =
            "a signal is compared with a constant: a number, or a length of time such as 72h";
        self.refuse("a number", Some(hint))
    }
}
