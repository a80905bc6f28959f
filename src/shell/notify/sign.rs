//! Signatures of webhooks as Standard Webhooks says: HMAC-SHA256 over id, time and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What a secret begins with, before its base64.
const PREFIX: &str = "whsec_";

/// A secret that signs.
#[derive(Debug)]
pub struct Signer(hmac::Key);

impl Signer {
    /// Reads a secret, `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// What is expected; never the secret.
    pub fn read(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(|base64| STANDARD.decode(base64).ok());
        let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
        let Some(bytes) = bytes else {
            return Err(format!(
                "expected {PREFIX} and the base64 of 24 to 64 random bytes: echo {PREFIX}$(openssl rand -base64 32)"
            ));
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature` of a body sent under this id at this time, seconds.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{timestamp_s}.").as_bytes(), body].concat();
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.0, &signed)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn signs_the_example_of_the_specification() {
        let signer = Signer::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,q6KMVIJHk4Gs770FfR5f591Ftx7uVJSGl5wHV1ri978=");
    }

    #[test]
    fn a_short_secret_is_refused_without_being_said() {
        for text in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw", "whsec_c2hvcnQ=", "whsec_!"] {
            let error = Signer::read(text).unwrap_err();
            assert!(error.contains("openssl rand") && !error.contains("c2hvcnQ"), "{error}");
        }
    }
}
