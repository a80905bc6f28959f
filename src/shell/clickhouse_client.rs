//! A client for ClickHouse as the settings say: address, user, and whose certificates are believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::settings::ClickHouse;

/// Why the certificates of `clickhouse.ca_file` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("clickhouse.ca_file: {path}: {why}", path = .path.display())]
pub struct CaFileError {
    path: PathBuf,
    why: String,
}

/// As the clickhouse crate's own client has them: ClickHouse closes idle connections after 3 s.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client with the settings' address, user and password. With `ca_file` only its certificates are believed, else the
/// system's.
///
/// # Errors
/// When the file of certificates cannot be read, or has none.
pub fn client(settings: &ClickHouse) -> Result<Client, CaFileError> {
    let client = match &settings.ca_file {
        Some(path) => believing(Path::new(path))?,
        None => Client::default(),
    };
    let client = client.with_url(&settings.url).with_user(&settings.user);
    Ok(match &settings.password {
        Some(password) => client.with_password(password.expose()),
        None => client,
    })
}

fn believing(path: &Path) -> Result<Client, CaFileError> {
    let wrong = |why: String| CaFileError { path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate (PEM) in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.set_keepalive(Some(TCP_KEEPALIVE));
    http.enforce_http(false);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(http);
    let hyper = HyperClient::builder(TokioExecutor::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .build(https);
    Ok(Client::with_http_client(hyper))
}

/// An error with its cause: refused, reset, a name or a certificate stands in the chain, not in the first message.
pub fn told(error: &clickhouse::error::Error) -> String {
    let mut text = error.to_string();
    // the first cause is what the message itself shows
    let mut cause = std::error::Error::source(error).and_then(std::error::Error::source);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if text.contains("certificate") {
        text += "; check clickhouse.ca_file (the authority of the server's certificate) and the name in clickhouse.url";
    }
    text
}
