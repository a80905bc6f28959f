//! A certificate authority of the test's own, a server certificate by it, and a proxy that speaks TLS in front of a
//! plain server.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Files in PEM.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Makes new ones, for 127.0.0.1 and localhost.
    pub fn new() -> Self {
        let certificates = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(certificates.file("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost")
            .unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        certificates.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority"
        ));
        certificates
            .openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        certificates.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
        );
        let read = |name: &str| std::fs::read_to_string(certificates.file(name)).unwrap();
        let both = read("server.key") + &read("server.pem");
        std::fs::write(certificates.file("keystore.pem"), both).unwrap();
        certificates
    }

    fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is missing; install it: apt-get install -y openssl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// `ca.pem`, `server.pem`, `server.key`, or `keystore.pem` with both of the server.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Forwards TLS connections to `target` (`http://host:port`); returns its own `https://` address. Ends with the test.
pub fn proxy(certificates: &Certificates, target: &str) -> String {
    let config =
        Arc::new(config(&certificates.file("server.pem"), &certificates.file("server.key")));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, target, config) = (client.unwrap(), target.clone(), Arc::clone(&config));
            thread::spawn(move || serve(client, &target, config));
        }
    });
    url
}

/// What a server with this certificate needs.
pub fn config(certificate: &Path, key: &Path) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap()
}

/// Both directions in turn, each waiting for a moment only; ends when either side does.
fn serve(client: TcpStream, target: &str, config: Arc<ServerConfig>) {
    let moment = Some(Duration::from_millis(2));
    let mut server = TcpStream::connect(target).unwrap();
    client.set_read_timeout(moment).unwrap();
    server.set_read_timeout(moment).unwrap();
    let mut client = StreamOwned::new(ServerConnection::new(config).unwrap(), client);
    while forward(&mut client, &mut server) && forward(&mut server, &mut client) {}
}

fn forward(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut buffer = [0; 65_536];
    match from.read(&mut buffer) {
        Ok(0) => false,
        Ok(read) => to.write_all(&buffer[..read]).and_then(|()| to.flush()).is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}
