//! Who may do what: tokens with roles, compared in constant time, and the signed words of a browser's session.
//!
//! Hashing is handed in ([`Seal`]): this layer decides, the shell brings the cryptography.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Fewest characters of a token: what is shorter can be guessed.
const TOKEN_MIN: usize = 24;
/// Most characters of a token, in the file and in a header.
pub const TOKEN_MAX: usize = 512;
/// Most lines of the file.
const TOKENS_MAX: usize = 1000;
/// Marks a token of which the file has only the hash.
const HASHED: &str = "sha256:";

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Also act on alerts.
    Operator,
}

impl Role {
    /// The word in the file of tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }

    /// Whether alerts may be acted on.
    pub fn may_act(self) -> bool {
        self >= Self::Operator
    }
}

/// Whose token it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name; it stands in the history of alerts.
    pub name: String,
    /// The role.
    pub role: Role,
    digest: Digest,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.role.name())
    }
}

/// All tokens.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    holders: Vec<Holder>,
}

impl Tokens {
    /// Reads the file: a line `name role token` each, empty lines and those that begin with `#` left out. A token may
    /// stand there as `sha256:` and the 64 hexadecimal digits of its hash.
    ///
    /// # Errors
    /// All mistakes, one sentence each with its line; never a token.
    pub fn parse(text: &str, sha256: impl Fn(&[u8]) -> Digest) -> Result<Self, Vec<String>> {
        let (mut holders, mut wrong): (Vec<Holder>, Vec<String>) = (Vec::new(), Vec::new());
        let lines = text.lines().map(str::trim).enumerate();
        for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            match holder(line, &sha256) {
                Ok(new) if holders.iter().any(|known| known.name == new.name) => {
                    wrong.push(format!("line {}: the name {:?} stands twice", at + 1, new.name));
                }
                Ok(new) if holders.iter().any(|known| known.digest == new.digest) => {
                    wrong.push(format!(
                        "line {}: the token of {:?} stands twice",
                        at + 1,
                        new.name
                    ));
                }
                Ok(_) if holders.len() == TOKENS_MAX => {
                    wrong.push(format!("line {}: at most {TOKENS_MAX} tokens", at + 1));
                    break;
                }
                Ok(new) => holders.push(new),
                Err(why) => wrong.push(format!("line {}: {why}", at + 1)),
            }
        }
        if wrong.is_empty() { Ok(Self { holders }) } else { Err(wrong) }
    }

    /// Whether there are none: nobody gets in.
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// All holders, in the order of the file.
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// The number of the holder whose token has this digest. Every digest is compared, all bytes of it, whichever fits:
    /// how long it takes says nothing.
    pub fn find(&self, digest: &Digest) -> Option<usize> {
        let mut found = u32::MAX;
        for (at, holder) in (0_u32..).zip(&self.holders) {
            let fits: Choice = holder.digest.ct_eq(digest);
            found.conditional_assign(&at, fits);
        }
        (found != u32::MAX).then_some(found as usize)
    }

    /// The number of the holder of that name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.holders.iter().position(|holder| holder.name == name)
    }
}

fn holder(line: &str, sha256: &impl Fn(&[u8]) -> Digest) -> Result<Holder, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, role, token] = fields[..] else {
        return Err(format!("expected `name role token`, found {} words", fields.len()));
    };
    let plain = |c: char| c.is_alphanumeric() || "._@-".contains(c);
    if name.chars().count() > 64 || !name.chars().all(plain) {
        return Err("a name is 1-64 letters, digits and . _ @ -".to_owned());
    }
    let role = match role {
        "viewer" => Role::Viewer,
        "operator" => Role::Operator,
        _ => return Err("the role is viewer or operator".to_owned()),
    };
    let digest = match token.strip_prefix(HASHED) {
        Some(digits) => digest_of(digits).ok_or("sha256: needs 64 hexadecimal digits behind it")?,
        None if !(TOKEN_MIN..=TOKEN_MAX).contains(&token.len()) || !token.is_ascii() => {
            return Err(format!("a token is {TOKEN_MIN}-{TOKEN_MAX} ASCII characters"));
        }
        None => sha256(token.as_bytes()),
    };
    Ok(Holder { name: name.to_owned(), role, digest })
}

fn digest_of(digits: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signs texts: HMAC-SHA-256 with a key that only this process, or the copies that share it, know.
pub trait Seal {
    /// The tag of a message.
    fn tag(&self, message: &[u8]) -> Digest;
}

/// A browser's session: who, and until when. It is a signed cookie and nothing is kept of it: no memory to fill, and it ends
/// when its token is taken out of the file, changed, or the key changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The number of the holder.
    pub holder: usize,
    /// When it ends, milliseconds since 1970.
    pub ends_ms: i64,
}

impl Session {
    /// The cookie's value: name, end, and the seal over both and the token's digest and role. `None` for no holder.
    pub fn cookie(self, tokens: &Tokens, seal: &impl Seal) -> Option<String> {
        let holder = tokens.holders.get(self.holder)?;
        let tag = seal.tag(&session_message(holder, self.ends_ms));
        Some(format!("{}.{}.{}", hex(holder.name.as_bytes()), self.ends_ms, hex(&tag)))
    }

    /// Reads a cookie's value: sealed by us, not over, its token still in the file.
    pub fn read(value: &str, tokens: &Tokens, seal: &impl Seal, now_ms: i64) -> Option<Self> {
        let mut parts = value.splitn(3, '.');
        let (name, ends, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let ends_ms: i64 = ends.parse().ok()?;
        let found = tokens.holders.iter().position(|h| hex(h.name.as_bytes()) == name)?;
        let expected = seal.tag(&session_message(tokens.holders.get(found)?, ends_ms));
        let sealed = bool::from(expected.ct_eq(&digest_of(tag)?));
        (sealed && now_ms < ends_ms).then_some(Self { holder: found, ends_ms })
    }

    /// The token that the forms of this session carry: without it a form is somebody else's.
    pub fn form_token(value: &str, seal: &impl Seal) -> String {
        hex(&seal.tag(&[b"form\0", value.as_bytes()].concat()))
    }

    /// Whether a form carries the token of its session.
    pub fn is_own_form(value: &str, given: &str, seal: &impl Seal) -> bool {
        Self::form_token(value, seal).as_bytes().ct_eq(given.as_bytes()).into()
    }
}

fn session_message(holder: &Holder, ends_ms: i64) -> Vec<u8> {
    // the name has no line end, so the parts cannot run into each other
    let head = format!("session\0{}\n{}\n{ends_ms}\n", holder.name, holder.role.name());
    [head.as_bytes(), &holder.digest].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64_with_seed;

    use super::*;

    /// Stands for SHA-256: these tests are about who is found, not about cryptography.
    fn hash(bytes: &[u8]) -> Digest {
        let mut digest = [0; 32];
        for (at, part) in (0..).zip(digest.chunks_exact_mut(8)) {
            part.copy_from_slice(&xxh3_64_with_seed(bytes, at).to_le_bytes());
        }
        digest
    }

    struct Key(u8);

    impl Seal for Key {
        fn tag(&self, message: &[u8]) -> Digest {
            hash(&[&[self.0], message].concat())
        }
    }

    const ALICE: &str = "alice-alice-alice-alice-1";
    const BOB: &str = "bob-bob-bob-bob-bob-bob-1";

    fn tokens() -> Tokens {
        let bob = hex(&hash(BOB.as_bytes()));
        let text = format!("# people\n\nalice operator {ALICE}\n  bob viewer sha256:{bob}\n");
        Tokens::parse(&text, hash).unwrap()
    }

    #[test]
    fn a_token_finds_its_holder_plain_or_hashed() {
        let tokens = tokens();
        let named = |token: &str| {
            let found = tokens.find(&hash(token.as_bytes()))?;
            Some(tokens.holders()[found].name.clone())
        };
        assert_eq!(named(ALICE).as_deref(), Some("alice"));
        assert_eq!(named(BOB).as_deref(), Some("bob"));
        assert_eq!(named("alice-alice-alice-alice-2"), None);
        assert_eq!(named(""), None);
        assert!(Tokens::default().find(&[0; 32]).is_none());
    }

    #[test]
    fn every_mistake_of_the_file_is_told_and_no_token_is() {
        let text = "a viewer short\nb admin 012345678901234567890123\nc viewer\nd viewer sha256:00\n\
                    é\u{1f600} viewer 012345678901234567890123\n\
                    e viewer 012345678901234567890123\ne viewer 012345678901234567890124\n\
                    f viewer 012345678901234567890123\n";
        let wrong = Tokens::parse(text, hash).unwrap_err();
        let lines: Vec<&str> = wrong.iter().map(|w| w.split(':').next().unwrap()).collect();
        let expected = [1, 2, 3, 4, 5, 7, 8].map(|at| format!("line {at}"));
        assert_eq!(lines, expected, "{wrong:?}");
        assert!(wrong.iter().all(|w| !w.contains("0123456789")), "{wrong:?}");
    }

    #[test]
    fn nothing_shows_a_token_or_its_digest() {
        let shown = format!("{:?}", tokens());
        assert!(shown.contains("alice (operator)"), "{shown}");
        assert!(!shown.contains("alice-alice") && !shown.contains("digest"), "{shown}");
    }

    #[test]
    fn a_session_is_read_back_until_it_ends() {
        let (tokens, key) = (tokens(), Key(1));
        let session = Session { holder: 1, ends_ms: 1000 };
        let value = session.cookie(&tokens, &key).unwrap();
        assert_eq!(Session::read(&value, &tokens, &key, 999), Some(session));
        assert_eq!(Session::read(&value, &tokens, &key, 1000), None);
        assert_eq!(Session { holder: 2, ends_ms: 1 }.cookie(&tokens, &key), None);
    }

    #[test]
    fn a_session_falls_with_its_token_role_key_and_every_changed_character() {
        let (tokens, key) = (tokens(), Key(1));
        let value = Session { holder: 0, ends_ms: 1000 }.cookie(&tokens, &key).unwrap();
        assert!(Session::read(&value, &tokens, &Key(2), 0).is_none());
        for line in
            [format!("alice viewer {ALICE}"), format!("alice operator {BOB}"), String::new()]
        {
            let others = Tokens::parse(&line, hash).unwrap();
            assert!(Session::read(&value, &others, &key, 0).is_none(), "{line}");
        }
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Session::read(&changed, &tokens, &key, 0).is_none(), "{changed}");
        }
        for broken in ["", ".", "..", "a.b.c", &value[1..]] {
            assert!(Session::read(broken, &tokens, &key, 0).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_form_belongs_to_one_session() {
        let (key, value) = (Key(1), "a.1.b");
        let token = Session::form_token(value, &key);
        assert!(Session::is_own_form(value, &token, &key));
        assert!(!Session::is_own_form("a.1.c", &token, &key));
        assert!(!Session::is_own_form(value, &token, &Key(2)));
        assert!(!Session::is_own_form(value, "", &key));
    }
}
