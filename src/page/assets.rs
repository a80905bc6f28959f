//! The files that pages name: style, script, icon. They are part of the program; a hash of the content is in their
//! address, so that a browser may keep them for ever and never shows an old one.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

/// Where they are served.
pub const FOLDER: &str = "/assets/";

/// What the answer to a request for one of them says about keeping it.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// A file that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its address, with the hash of its content.
    pub path: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, media_type: &'static str, content: &'static str) -> Self {
        let hash = xxh3_64(content.as_bytes());
        Self { path: format!("{FOLDER}{stem}-{hash:016x}.{ending}"), media_type, content }
    }
}

/// The style sheet.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("retain", "css", "text/css; charset=utf-8", include_str!("assets/retain.css"))
});
/// The script: what is live, and nothing that the page needs.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("retain", "js", "text/javascript; charset=utf-8", include_str!("assets/retain.js"))
});
/// The icon.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

/// The file at an address; `None` for any other.
pub fn asset(path: &str) -> Option<&'static Asset> {
    [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_whole_address_only() {
        for file in [&*STYLE, &*SCRIPT, &*ICON] {
            assert_eq!(asset(&file.path), Some(file));
            assert!(file.path.starts_with(FOLDER) && !file.content.is_empty());
        }
        assert_eq!(asset("/assets/retain.css"), None);
        assert_eq!(asset("/assets/../Cargo.toml"), None);
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for file in [&*STYLE, &*SCRIPT, &*ICON] {
            let content = file.content.replace("http://www.w3.org/2000/svg", "");
            assert!(!content.contains("://") && !content.contains("@import"), "{}", file.path);
        }
    }
}
