//! An answer that costs much, computed once for all who ask: for ten times as long as it took it is good enough. So however many
//! look, ClickHouse is busy with it for a tenth of the time at most, and where it is quick it is as good as fresh.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// For so many times as long as it took an answer is given again.
const TIMES: u32 = 10;
/// But no longer than this.
const LONGEST: Duration = Duration::from_secs(60);

/// The last answer of a kind.
#[derive(Debug)]
pub struct Kept<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Kept<T> {
    /// The answer that is there, if it is good enough, else a new one. Who asks meanwhile waits for the same one.
    ///
    /// # Errors
    /// What computing it fails with; that is not kept.
    pub async fn or<E>(&self, compute: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut kept = self.0.lock().await;
        if let Some((good_until, answer)) = kept.as_ref()
            && Instant::now() < *good_until
        {
            return Ok(answer.clone());
        }
        let begun = Instant::now();
        let answer = compute.await?;
        let good_for = (begun.elapsed() * TIMES).min(LONGEST);
        *kept = Some((Instant::now() + good_for, answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_took_long_is_given_again_and_failures_are_not() {
        let kept = Kept::default();
        assert_eq!(kept.or(async { Err::<u32, u32>(5) }).await, Err(5));
        let slow = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok::<u32, u32>(1)
        };
        assert_eq!(kept.or(slow).await, Ok(1));
        // good for three seconds
        assert_eq!(kept.or(async { Ok::<u32, u32>(2) }).await, Ok(1));
        *kept.0.lock().await = Some((Instant::now(), 1));
        assert_eq!(kept.or(async { Ok::<u32, u32>(3) }).await, Ok(3));
    }
}
