//! Mail by SMTP.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::SmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, Message, Transport};
use xxhash_rust::xxh3::xxh3_64;

use super::secret;
use crate::notify::answer::{Answer, Why, of_smtp};
use crate::notify::words::Said;
use crate::notify::{Content, Letter};
use crate::plan::{Mail, MailTls};

/// Longest time for one step of the conversation.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A mail server and the sender.
#[derive(Debug)]
pub struct Postman {
    transport: SmtpTransport,
    from: Mailbox,
    /// What ids of messages end with.
    domain: String,
}

impl Postman {
    /// Prepares to send; nothing is connected yet.
    ///
    /// # Errors
    /// A secret or certificate that cannot be read, or an address that is none, with the receiver's name.
    pub fn new(mail: &Mail, receiver: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("receiver {receiver}: {why}");
        let tls = match mail.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(tls(mail).map_err(wrong)?),
            MailTls::Tls => Tls::Wrapper(tls(mail).map_err(wrong)?),
        };
        let mut builder = SmtpTransport::builder_dangerous(&mail.host)
            .port(mail.port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let (Some(user), Some(file)) = (&mail.username, &mail.password_file) {
            let password = secret::read(file, &format!("{receiver}: password_file"))?;
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            builder = builder.credentials(credentials);
        }
        let address = address(&mail.from).map_err(wrong)?;
        let domain = address.domain().to_owned();
        Ok(Self {
            transport: builder.build(),
            from: Mailbox::new(Some("retain".to_owned()), address),
            domain,
        })
    }

    /// Sends a letter that these addresses get: to the one that it is for, or to all of them at once.
    pub fn send(&self, letter: &Letter, to: &[&str], plain: &Said, html: String) -> Answer {
        let sent = self.message(letter, to, plain, html).and_then(|message| {
            let envelope = match &letter.address {
                // it waited, and the file has changed since
                Some(one) if !to.contains(&one.as_str()) => {
                    return Err("the receiver does not have this address any more".to_owned());
                }
                Some(one) => {
                    let from = Some(self.from.email.clone());
                    Envelope::new(from, vec![address(one)?]).map_err(|error| error.to_string())?
                }
                None => message.envelope().clone(),
            };
            Ok(self.transport.send_raw(&envelope, &message.formatted()))
        });
        match sent {
            Err(why) => Answer::Refused { why: why.into() },
            Ok(Ok(_)) => Answer::Taken,
            Ok(Err(error)) => {
                let code = error.status().map(u16::from);
                // what a server says names whom it is about
                let why = match code {
                    Some(code) => Why { what: format!("SMTP {code}"), said: error.to_string() },
                    None => error.to_string().into(),
                };
                of_smtp(code, why)
            }
        }
    }

    fn message(
        &self,
        letter: &Letter,
        to: &[&str],
        plain: &Said,
        html: String,
    ) -> Result<Message, String> {
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(&plain.title)
            .message_id(Some(self.id(&letter.id, &letter.to)));
        for recipient in to {
            builder = builder.to(Mailbox::new(None, address(recipient)?));
        }
        if let Content::Alert(word) = &letter.content {
            // all mails about an alert are one thread
            builder = builder.references(self.id(&word.alert_id, &letter.to));
        }
        let body = MultiPart::alternative_plain_html(plain.text.clone(), html);
        let mut message = builder.multipart(body).map_err(|error| error.to_string())?;
        // nobody's absence notice is to answer (RFC 3834)
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }

    /// The same for the same letter and owner, so that a mail that is sent again can be known for the same.
    fn id(&self, id: &str, to: &str) -> String {
        format!("<{:016x}.{:016x}@{}>", xxh3_64(id.as_bytes()), xxh3_64(to.as_bytes()), self.domain)
    }
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn tls(mail: &Mail) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(file) = &mail.ca_file {
        let wrong = |why: String| format!("ca_file: {file}: {why}");
        let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder =
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| error.to_string())
}
