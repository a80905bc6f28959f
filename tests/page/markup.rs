//! A strict reader of the HTML that pages write: tags that close, attributes that are unique, text that is text.

/// Elements without an end.
const VOID: [&str; 4] = ["meta", "link", "input", "br"];

/// A start tag.
#[derive(Clone, Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// All start tags in their order.
///
/// # Errors
/// What is not well-formed, with what stands around it.
pub fn read(html: &str) -> Result<Vec<Tag>, String> {
    let mut rest = html.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    let (mut tags, mut open) = (Vec::new(), Vec::<String>::new());
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at])?;
        let near = rest[at..].chars().take(80).collect::<String>();
        let end = tag_end(&rest[at..]).ok_or_else(|| format!("no end of tag: {near}"))?;
        let inner = &rest[at + 1..at + end];
        rest = &rest[at + end + 1..];
        if let Some(name) = inner.strip_prefix('/') {
            match open.pop() {
                Some(last) if last == name => continue,
                last => return Err(format!("</{name}> closes {last:?}: {near}")),
            }
        }
        let tag = start(inner).map_err(|e| format!("{e}: {near}"))?;
        if !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        tags.push(tag);
    }
    check_text(rest)?;
    if open.is_empty() { Ok(tags) } else { Err(format!("never closed: {open:?}")) }
}

/// The `>` outside of quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(i, c)| {
        quoted ^= c == '"';
        (c == '>' && !quoted).then_some(i)
    })
}

fn start(inner: &str) -> Result<Tag, String> {
    let (name, mut rest) = inner.split_once(' ').unwrap_or((inner, ""));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!("odd name {name:?}"));
    }
    let mut attributes: Vec<(String, String)> = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let stop = rest.find(['=', ' ']).unwrap_or(rest.len());
        let key = rest[..stop].to_owned();
        let value = match rest[stop..].strip_prefix("=\"") {
            Some(after) => {
                let close = after.find('"').ok_or("no closing quote")?;
                rest = &after[close + 1..];
                after[..close].to_owned()
            }
            None if rest[stop..].starts_with('=') => return Err(format!("{key}: not quoted")),
            None => {
                rest = &rest[stop..];
                String::new()
            }
        };
        check_text(&value)?;
        if attributes.iter().any(|(n, _)| *n == key) {
            return Err(format!("{key} twice"));
        }
        attributes.push((key, value));
    }
    Ok(Tag { name: name.to_owned(), attributes })
}

/// An ampersand begins one of the four that the template macro writes.
fn check_text(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        if !["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|e| text[at..].starts_with(e)) {
            return Err(format!(
                "an ampersand that is not escaped: {}",
                text[at..].chars().take(20).collect::<String>()
            ));
        }
    }
    if text.contains('<') || text.contains('>') {
        Err(format!("an angle in a text: {text}"))
    } else {
        Ok(())
    }
}

#[test]
fn the_reader_finds_what_is_wrong() {
    let page = |body: &str| read(&format!("<!DOCTYPE html>{body}"));
    assert_eq!(page(r#"<p class="a" hidden>x &amp; y<br></p>"#).unwrap().len(), 2);
    for wrong in [
        "<p>",
        "<p></b>",
        "</p>",
        "<p class=a></p>",
        r#"<p a="1" a="2"></p>"#,
        "<p>a & b</p>",
        "<p>a > b</p>",
        r#"<p a="<"></p>"#,
    ] {
        assert!(page(wrong).is_err(), "{wrong}");
    }
}
