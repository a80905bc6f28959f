//! What a request asks for, read from its URL, headers and form fields.

use crate::exception::Exception;
use crate::pool::Setup;
use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// URL parameters that are served by this layer or mean nothing here; everything else is a setting.
const NOT_SETTINGS: [&str; 16] = [
    "add_http_cors_header",
    "buffer_size",
    "cancel_http_readonly_queries_on_client_close",
    "client_protocol_version",
    "compress",
    "enable_http_compression",
    "http_headers_progress_interval_ms",
    "http_response_buffer_size",
    "http_write_exception_in_output_format",
    "http_zlib_compression_level",
    "quota_key",
    "role",
    "send_progress_in_http_headers",
    "session_check",
    "session_timeout",
    "stacktrace",
];

/// One request, without its body.
#[derive(Debug, Default)]
pub struct Request {
    /// Statement from the URL or form; the rest may be in the body.
    pub query: String,
    /// Told back to the client.
    pub query_id: String,
    /// Format of the answer where the statement names none.
    pub format: String,
    /// Database and settings.
    pub setup: Setup,
    /// Values for `{name:Type}`.
    pub params: Vec<(String, String)>,
    /// Session to run in.
    pub session: Option<String>,
    /// The body is in native compressed frames.
    pub decompress: bool,
    /// Answer only when the statement has ended.
    pub wait_end: bool,
    /// Content-Encoding of the body, "" for none.
    pub encoding: String,
    /// Who asks.
    pub user: String,
    /// With which password.
    pub password: String,
}

impl Request {
    /// Reads method, URL query and headers.
    ///
    /// # Errors
    /// For `compress=1`: answers are never compressed here.
    pub fn new(
        method: &Method,
        url_query: &str,
        headers: &HeaderMap,
    ) -> Result<Request, Exception> {
        let text = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_string)
        };
        let mut request = Request {
            format: text("x-clickhouse-format").unwrap_or_else(|| "TabSeparated".into()),
            query_id: random_id(),
            user: text("x-clickhouse-user").unwrap_or_else(|| "default".into()),
            password: text("x-clickhouse-key").unwrap_or_default(),
            encoding: text(header::CONTENT_ENCODING.as_str()).unwrap_or_default(),
            ..Request::default()
        };
        request.setup.database = text("x-clickhouse-database");
        if let Some((user, password)) =
            text(header::AUTHORIZATION.as_str()).as_deref().and_then(basic)
        {
            (request.user, request.password) = (user, password);
        }
        for (name, value) in form_urlencoded::parse(url_query.as_bytes()) {
            request.set(&name, value.into_owned())?;
        }
        let says_readonly = request.setup.settings.iter().any(|(name, _)| name == "readonly");
        request.setup.readonly =
            !says_readonly && (method == Method::GET || method == Method::HEAD);
        Ok(request)
    }

    /// Takes one URL parameter or form field.
    ///
    /// # Errors
    /// For `compress=1`.
    pub fn set(&mut self, name: &str, value: String) -> Result<(), Exception> {
        let yes = value == "1" || value == "true";
        match name {
            "query" => self.query = value,
            "query_id" if value.is_empty() => {}
            "query_id" => self.query_id = value,
            "database" if value.is_empty() => {}
            "database" => self.setup.database = Some(value),
            "default_format" => self.format = value,
            "session_id" => self.session = Some(value),
            "user" => self.user = value,
            "password" => self.password = value,
            "decompress" => self.decompress = yes,
            "wait_end_of_query" => self.wait_end = yes,
            "compress" if yes => {
                return Err(Exception::new(
                    48,
                    "NOT_IMPLEMENTED",
                    "compress=1 is not built in, ask for plain answers",
                ));
            }
            _ if NOT_SETTINGS.contains(&name) => {}
            _ => match name.strip_prefix("param_") {
                Some(param) => self.params.push((param.to_string(), value)),
                None => self.setup.settings.push((name.to_string(), value)),
            },
        }
        Ok(())
    }
}

/// User and password of a Basic authorization.
fn basic(authorization: &str) -> Option<(String, String)> {
    let decoded = BASE64.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_string(), password.to_string()))
}

/// A random id in the form of a UUID, version 4.
fn random_id() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) | (4 << 76);
    let bits = bits & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn get(query: &str) -> Request {
        Request::new(&Method::GET, query, &HeaderMap::new()).unwrap()
    }

    #[test]
    fn parameters_settings_and_the_rest() {
        let request =
            get("query=SELECT+1&param_a=x&max_threads=2&session_id=s&stacktrace=1&database=");
        assert_eq!(request.query, "SELECT 1");
        assert_eq!(request.params, [("a".to_string(), "x".to_string())]);
        assert_eq!(request.setup.settings, [("max_threads".to_string(), "2".to_string())]);
        assert_eq!((request.session.as_deref(), request.setup.database), (Some("s"), None));
    }

    #[test]
    fn only_get_is_readonly() {
        assert!(get("").setup.readonly);
        assert!(!Request::new(&Method::POST, "", &HeaderMap::new()).unwrap().setup.readonly);
    }

    #[test]
    fn ids_are_uuids() {
        let id = get("").query_id;
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }

    #[test]
    fn basic_authorization() {
        assert_eq!(basic("Basic dTpwOnE="), Some(("u".into(), "p:q".into())));
        assert_eq!(basic("Bearer x"), None);
    }
}
