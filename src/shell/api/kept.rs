//! An answer that costs much, computed once for all who ask and given again for ten times as long as it took: however many look,
//! ClickHouse is busy with it for a tenth of the time at most. When it is no longer new, whoever asks gets it at once and a new one
//! is begun behind them: nobody waits for what was there a moment ago. What comes quickly is never given old.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::api::problem::{Kind, Problem};

/// For so many times as long as it took an answer is given again.
const TIMES: u32 = 10;
/// But no longer than this.
const LONGEST: Duration = Duration::from_secs(60);
/// What took no longer than this is waited for rather than given old.
const QUICK: Duration = Duration::from_millis(500);
/// An answer older than this is not given at all, even while a new one is on its way. Each says up to when it is complete, and a page
/// that is looked at has the new one seconds later; who comes in the morning must not wait for longer than a request may take.
const OLDEST: Duration = Duration::from_secs(12 * 3_600);

/// The last answer of a kind; copies share it.
#[derive(Debug)]
pub struct Kept<T> {
    last: Arc<Mutex<Option<Last<T>>>>,
    /// Held by whoever computes.
    turn: Arc<Turn<()>>,
}

/// An answer, when it came and how long it took.
#[derive(Clone, Debug)]
struct Last<T> {
    came: Instant,
    took: Duration,
    answer: T,
}

impl<T> Last<T> {
    fn is_new(&self) -> bool {
        self.came.elapsed() < (self.took * TIMES).min(LONGEST)
    }

    fn may_be_given_old(&self) -> bool {
        self.took > QUICK && self.came.elapsed() < OLDEST
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { last: Arc::default(), turn: Arc::default() }
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { last: Arc::clone(&self.last), turn: Arc::clone(&self.turn) }
    }
}

impl<T: Clone + Send + 'static> Kept<T> {
    /// The answer that is there, if it is good enough, else a new one, for which all who ask meanwhile wait. It is computed to its
    /// end even when they no longer do: who asks again finds it.
    ///
    /// # Errors
    /// What computing it fails with; that is not kept.
    pub async fn or(
        &self,
        compute: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let asked = Instant::now();
        if let Some(last) = self.last().clone() {
            if last.is_new() {
                return Ok(last.answer);
            }
            if last.may_be_given_old() {
                // who has the turn already computes it
                if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
                    drop(tokio::spawn(self.clone().renew(turn, compute)));
                }
                return Ok(last.answer);
            }
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // whoever had the turn while this one waited has computed it after the question came
        if let Some(last) = self.last().clone()
            && (last.is_new() || last.came >= asked)
        {
            return Ok(last.answer);
        }
        let renewed = tokio::spawn(self.clone().renew(turn, compute)).await;
        let failed = |_| Problem::new(Kind::Internal, "the answer could not be computed");
        renewed.map_err(failed)?
    }

    async fn renew(
        self,
        turn: OwnedMutexGuard<()>,
        compute: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let begun = Instant::now();
        let answer = compute.await?;
        let took = begun.elapsed();
        *self.last() = Some(Last { came: Instant::now(), took, answer: answer.clone() });
        drop(turn);
        Ok(answer)
    }

    fn last(&self) -> MutexGuard<'_, Option<Last<T>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn back(kept: &Kept<u32>, by: Duration) {
        let mut last = kept.last();
        let last = last.as_mut().unwrap();
        last.came = last.came.checked_sub(by).unwrap();
    }

    fn take(kept: &Kept<u32>, took: Duration) {
        kept.last().as_mut().unwrap().took = took;
    }

    #[tokio::test]
    async fn what_took_long_is_given_again_and_failures_are_not() {
        let kept = Kept::default();
        let failed = kept.or(async { Err(Problem::bad("no")) }).await;
        assert!(failed.is_err());
        assert_eq!(kept.or(async { Ok(1) }).await.unwrap(), 1);
        take(&kept, Duration::from_secs(1));
        assert_eq!(kept.or(async { Ok(2) }).await.unwrap(), 1);
        // what came quickly is computed anew once it is no longer new
        take(&kept, QUICK);
        back(&kept, QUICK * TIMES);
        assert_eq!(kept.or(async { Ok(3) }).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_new_answer_while_there_is_one() {
        let kept = Kept::default();
        kept.or(async { Ok(1) }).await.unwrap();
        take(&kept, Duration::from_secs(1));
        back(&kept, Duration::from_secs(11));
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let slow = async move {
            gone.await.unwrap();
            Ok(2)
        };
        assert_eq!(kept.or(slow).await.unwrap(), 1);
        // one at a time: this one is never begun
        assert_eq!(kept.or(async { panic!("begun twice") }).await.unwrap(), 1);
        go.send(()).unwrap();
        drop(kept.turn.lock().await);
        assert_eq!(kept.last().as_ref().unwrap().answer, 2);
        // too old to be shown at all
        take(&kept, Duration::from_secs(1));
        back(&kept, OLDEST);
        assert_eq!(kept.or(async { Ok(4) }).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn it_is_computed_to_its_end_though_nobody_waits() {
        let kept = Kept::default();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let slow = async move {
            gone.await.unwrap();
            Ok(1)
        };
        let waiting = tokio::time::timeout(Duration::from_millis(20), kept.or(slow));
        assert!(waiting.await.is_err());
        go.send(()).unwrap();
        drop(kept.turn.lock().await);
        assert_eq!(kept.last().as_ref().unwrap().answer, 1);
    }
}
