//! Where each setting comes from: the layers, their precedence, and what is refused in them, all at once.
//!
//! `config/default.toml` (embedded) < file < environment < flags. The default file is the list of keys: a key it
//! does not have is unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Source as _, Value, ValueKind};

use super::settings::{Settings, is_secret_property};

/// The embedded default file.
pub const DEFAULT_FILE: &str = include_str!("../../config/default.toml");

/// Keys whose values are never shown; each can also be given as `KEY_file`.
pub const SECRET_KEYS: [&str; 4] =
    ["clickhouse.password", "http.session_key", "kafka.sasl_password", "kafka.ssl_key_password"];

/// Keys that take one of a few words.
const WORD_KEYS: [(&str, &[&str]); 4] = [
    ("kafka.protocol", &["consumer", "classic"]),
    ("kafka.security_protocol", &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]),
    ("kafka.sasl_mechanism", &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
    ("log.format", &["text", "json"]),
];

const ENVIRONMENT_PREFIX: &str = "RETAIN__";
const PROPERTIES: &str = "kafka.properties.";
/// Longest secret read from a file, bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The layer a value was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`.
    Default,
    /// The settings file.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// `--set`.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Where to look for settings. Values, so that a test needs no process environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The settings file; `None` = what `RETAIN_CONFIG` in `environment` says.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables; others than ours are ignored.
    pub environment: Vec<(String, String)>,
    /// `KEY=VALUE` of each `--set`, in order; a later one wins.
    pub flags: Vec<String>,
}

impl Sources {
    /// The sources of this process. Variables that are not UTF-8 are taken with replacement characters.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<String>) -> Self {
        let text = |t: std::ffi::OsString| t.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(n, v)| (text(n), text(v))).collect();
        Self { file, environment, flags }
    }
}

/// One effective value, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The key, with dots.
    pub key: String,
    /// The value; `***` for a secret that is set.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// The settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, validated.
    pub settings: Settings,
    effective: Vec<Effective>,
}

impl Loaded {
    /// Every key with its value (secrets masked) and origin, in alphabetical order.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// One sentence each: where, what, and what to do.
    pub problems: Vec<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for SettingsError {}

struct Entry {
    value: Value,
    origin: Origin,
}

struct Loader {
    known: BTreeMap<String, ValueKind>,
    entries: BTreeMap<String, Entry>,
    problems: Vec<String>,
}

/// Reads all layers and checks the result.
///
/// # Errors
/// Every unknown key or `RETAIN__` name, wrong type, unreadable file and contradiction at once.
pub fn load(sources: &Sources) -> Result<Loaded, SettingsError> {
    let mut loader =
        Loader { known: BTreeMap::new(), entries: BTreeMap::new(), problems: Vec::new() };
    loader.take_default();
    let named = sources.environment.iter().find(|(name, _)| name == "RETAIN_CONFIG");
    let named = named.filter(|(_, path)| !path.is_empty()).map(|(_, path)| PathBuf::from(path));
    if let Some(path) = sources.file.clone().or(named) {
        loader.take_file(&path);
    }
    loader.take_environment(&sources.environment);
    loader.take_flags(&sources.flags);
    loader.check_values();
    if !loader.problems.is_empty() {
        return Err(SettingsError { problems: loader.problems });
    }
    let effective = loader.effective();
    let settings: Settings = loader
        .into_value()
        .try_deserialize()
        .map_err(|e| SettingsError { problems: vec![e.to_string()] })?;
    let problems = settings.validate();
    if problems.is_empty() {
        Ok(Loaded { settings, effective })
    } else {
        Err(SettingsError { problems })
    }
}

impl Loader {
    fn take_default(&mut self) {
        match parse(DEFAULT_FILE) {
            Ok(pairs) => {
                for (key, value) in pairs {
                    self.known.insert(key.clone(), value.kind.clone());
                    self.entries.insert(key, Entry { value, origin: Origin::Default });
                }
            }
            Err(problem) => self.problems.push(format!("the embedded default file: {problem}")),
        }
    }

    fn take_file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(format!(
                    "{}: the settings file cannot be read: {error}; check --config or RETAIN_CONFIG",
                    path.display()
                ));
                return;
            }
        };
        match parse(&text) {
            Ok(pairs) => {
                let origin = Origin::File(path.to_owned());
                let named = pairs.into_iter().map(|(k, v)| (k, v, origin.clone())).collect();
                self.take_layer(named);
            }
            Err(problem) => self.problems.push(format!("{}: {problem}", path.display())),
        }
    }

    fn take_environment(&mut self, environment: &[(String, String)]) {
        let mut layer: Vec<_> = environment
            .iter()
            .filter_map(|(name, value)| {
                let rest = name.strip_prefix(ENVIRONMENT_PREFIX)?;
                let value = Value::new(None, value.as_str());
                Some((key_of_name(rest), value, Origin::Environment(name.clone())))
            })
            .collect();
        layer.sort_by(|a, b| a.0.cmp(&b.0));
        self.take_layer(layer);
    }

    fn take_flags(&mut self, flags: &[String]) {
        // Of several flags for one key the last counts.
        let mut last = BTreeMap::new();
        for flag in flags {
            match flag.split_once('=') {
                Some((key, value)) => {
                    last.insert(key.trim().to_owned(), Value::new(None, value));
                }
                // The text may be a secret whose key was forgotten: it is not repeated.
                None => self.problems.push("flag --set: expected KEY=VALUE, found no =".to_owned()),
            }
        }
        self.take_layer(last.into_iter().map(|(k, v)| (k, v, Origin::Flag)).collect());
    }

    /// Takes the values of one layer over those of the layers below.
    fn take_layer(&mut self, layer: Vec<(String, Value, Origin)>) {
        let keys: Vec<String> = layer.iter().map(|(key, ..)| key.clone()).collect();
        for (key, value, origin) in layer {
            let secret = key.strip_suffix("_file").filter(|base| SECRET_KEYS.contains(base));
            let Some(base) = secret else {
                if self.is_known(&key) {
                    self.entries.insert(key, Entry { value, origin });
                } else {
                    let problem = self.unknown(&key, &origin);
                    self.problems.push(problem);
                }
                continue;
            };
            if keys.iter().any(|other| other == base) {
                self.problems.push(format!("{origin}: {base} and {key} are both set: keep one"));
                continue;
            }
            let path = value.into_string().unwrap_or_default();
            if path.is_empty() {
                continue;
            }
            match read_secret(Path::new(&path)) {
                Ok(text) => {
                    let value = Value::new(None, text);
                    self.entries.insert(base.to_owned(), Entry { value, origin });
                }
                Err(problem) => self.problems.push(format!("{origin}: {key}: {path}: {problem}")),
            }
        }
    }

    fn is_known(&self, key: &str) -> bool {
        self.known.contains_key(key)
            || key.strip_prefix(PROPERTIES).is_some_and(|property| !property.is_empty())
    }

    fn unknown(&self, key: &str, origin: &Origin) -> String {
        let files = SECRET_KEYS.iter().map(|key| format!("{key}_file"));
        let nearest = (self.known.keys().cloned().chain(files))
            .map(|known| (strsim::damerau_levenshtein(key, &known), known))
            .min()
            .filter(|(distance, known)| *distance <= 2.max(known.len() / 3));
        let hint = match (nearest, origin) {
            (Some((_, known)), Origin::Environment(_)) => {
                format!("did you mean {}?", name_of_key(&known))
            }
            (Some((_, known)), _) => format!("did you mean {known}?"),
            (None, _) => "`retain config` lists all keys".to_owned(),
        };
        match origin {
            Origin::Environment(name) => format!("env {name}: no such setting; {hint}"),
            other => format!("{other}: unknown key {key}; {hint}"),
        }
    }

    /// Types and closed sets of words, so that all wrong values are told at once.
    fn check_values(&mut self) {
        for (key, entry) in &self.entries {
            let shown = || {
                if is_secret(key) { "***".to_owned() } else { entry.value.to_string() }
            };
            let expected = match self.known.get(key) {
                Some(ValueKind::I64(_)) if entry.value.clone().into_uint().is_err() => {
                    "a whole number from 0 on"
                }
                Some(ValueKind::String(_)) if !is_text(&entry.value) => "a text",
                None if entry.value.clone().into_string().is_err() => "a text, a number or a flag",
                _ => "",
            };
            if !expected.is_empty() {
                let problem =
                    format!("{}: {key}: expected {expected}, found {}", entry.origin, shown());
                self.problems.push(problem);
                continue;
            }
            let words = WORD_KEYS.iter().find(|(word_key, _)| word_key == key);
            let text = entry.value.clone().into_string().unwrap_or_default();
            if let Some((_, words)) = words.filter(|(_, words)| !words.contains(&text.as_str())) {
                let words = words.join(", ");
                let problem =
                    format!("{}: {key}: expected one of {words}, found {text:?}", entry.origin);
                self.problems.push(problem);
            }
        }
    }

    fn effective(&self) -> Vec<Effective> {
        let show = |(key, entry): (&String, &Entry)| {
            let text = entry.value.clone().into_string().unwrap_or_default();
            let value = if is_secret(key) && !text.is_empty() { "***".to_owned() } else { text };
            Effective { key: key.clone(), value, origin: entry.origin.clone() }
        };
        self.entries.iter().map(show).collect()
    }

    /// The winners as one tree. Dots in the names of librdkafka properties are no levels.
    fn into_value(self) -> Value {
        let mut sections: BTreeMap<String, config::Map<String, Value>> = BTreeMap::new();
        let mut properties: config::Map<String, Value> = config::Map::new();
        for (key, Entry { value, .. }) in self.entries {
            if let Some(property) = key.strip_prefix(PROPERTIES) {
                properties.insert(property.to_owned(), value);
            } else if let Some((section, name)) = key.split_once('.') {
                sections.entry(section.to_owned()).or_default().insert(name.to_owned(), value);
            }
        }
        let kafka = sections.entry("kafka".to_owned()).or_default();
        kafka.insert("properties".to_owned(), Value::new(None, ValueKind::Table(properties)));
        let sections =
            sections.into_iter().map(|(k, v)| (k, Value::new(None, ValueKind::Table(v))));
        Value::new(None, ValueKind::Table(sections.collect()))
    }
}

/// Whether the value of a key is hidden.
fn is_secret(key: &str) -> bool {
    SECRET_KEYS.contains(&key) || key.strip_prefix(PROPERTIES).is_some_and(is_secret_property)
}

fn is_text(value: &Value) -> bool {
    matches!(value.kind, ValueKind::String(_))
}

/// `KAFKA__BROKERS` is `kafka.brokers`; librdkafka's names have dots where the environment has underscores.
fn key_of_name(name: &str) -> String {
    let key = name.to_lowercase().replace("__", ".");
    match key.strip_prefix(PROPERTIES) {
        Some(property) => format!("{PROPERTIES}{}", property.replace('_', ".")),
        None => key,
    }
}

fn name_of_key(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// The leaves of a TOML text, keys joined with dots, in alphabetical order.
fn parse(text: &str) -> Result<Vec<(String, Value)>, String> {
    let tree = File::from_str(text, FileFormat::Toml).collect().map_err(|e| e.to_string())?;
    let mut leaves = Vec::new();
    flatten("", tree, &mut leaves);
    leaves.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(leaves)
}

fn flatten(prefix: &str, tree: config::Map<String, Value>, leaves: &mut Vec<(String, Value)>) {
    for (name, value) in tree {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inner) => flatten(&key, inner, leaves),
            _ => leaves.push((key, value)),
        }
    }
}

/// A secret from its file, without the line end that editors add.
fn read_secret(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?.len();
    if length > SECRET_BYTES_MAX {
        return Err(format!("has {length} bytes, at most {SECRET_BYTES_MAX} are a secret"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}
