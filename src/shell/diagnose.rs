//! Why Kafka does not answer: librdkafka tells the cause only to a client that listens, so one is opened to listen.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::client::Link;

/// How long is listened for a cause.
const LISTEN: Duration = Duration::from_secs(5);
/// A refusal that has not come by then is not waited for: nothing answers at all.
const METADATA: Duration = Duration::from_millis(200);

/// Keeps the first refusal, else the last failure.
#[derive(Debug, Default)]
struct Listener(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl Listener {
    fn heard(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)
}

impl ClientContext for Listener {
    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_better = code != RDKafkaErrorCode::AllBrokersDown
            && kept.as_ref().is_none_or(|(before, _)| !is_refusal(*before));
        if is_better {
            *kept = Some((code, reason.to_owned()));
        }
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What is wrong and what to look at, after a request was not answered: asks again for a few seconds, and listens.
pub fn why_unreachable(link: &Link) -> String {
    let usual = || "check kafka.brokers and that it is reachable".to_owned();
    let client: BaseProducer<Listener> = match link.admin().create_with_context(Listener::default())
    {
        Ok(client) => client,
        Err(error) => return error.to_string(),
    };
    let deadline = Instant::now() + LISTEN;
    while Instant::now() < deadline {
        let answer = client.client().fetch_metadata(None, METADATA);
        client.poll(Duration::ZERO);
        if answer.is_ok() || client.context().heard().is_some_and(|(code, _)| is_refusal(code)) {
            break;
        }
    }
    match client.context().heard() {
        Some((code, reason)) => format!("{reason}: {}", cure(code, &reason)),
        None => usual(),
    }
}

/// The settings to look at.
fn cure(code: RDKafkaErrorCode, reason: &str) -> &'static str {
    match code {
        RDKafkaErrorCode::Authentication => {
            "check kafka.sasl_mechanism, kafka.sasl_username and kafka.sasl_password"
        }
        RDKafkaErrorCode::SSL if reason.contains("certificate") => {
            "check kafka.ssl_ca_file (the authority of the brokers' certificates), and that kafka.brokers has the names \
             that are in them"
        }
        RDKafkaErrorCode::SSL => {
            "check kafka.security_protocol (is this port one for TLS?), kafka.ssl_ca_file and kafka.ssl_certificate_file"
        }
        _ => {
            "check kafka.brokers, that it is reachable, and that kafka.security_protocol is what its port expects"
        }
    }
}
