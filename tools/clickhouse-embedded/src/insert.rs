//! INSERT with rows in the body: pieces go to the engine as they arrive, and it slows the sender when it is behind.
//!
//! Invariant: nothing is committed unless the body was read to its end. The end is a message of its own, so a
//! request that is dropped half-way cancels its INSERT.

use crate::compression::Decoder;
use crate::engine::{Connection, Params, Stats};
use crate::exception::Exception;
use crate::http::{Server, Statement, reply};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

/// Pieces of a body waiting for the engine at most.
const PIECES_WAITING: usize = 16;

enum Feed {
    Data(Bytes),
    End,
}

/// Runs the INSERT. `inline` are data that stood behind the statement; those of `body` follow.
///
/// # Errors
/// What the engine has against the statement or its rows; a body that is damaged or cut off. Then no row is in.
pub async fn insert(
    server: Arc<Server>,
    statement: Statement,
    slot: OwnedSemaphorePermit,
    inline: Bytes,
    body: Option<(Body, Decoder)>,
) -> Result<Response, Exception> {
    let (feed, feed_out) = mpsc::channel(PIECES_WAITING);
    let job = spawn_blocking(move || {
        let _slot = slot;
        let mut lease = server.pool.lease(&statement.setup, statement.session.as_deref())?;
        let stats = write(
            lease.connection(),
            &statement.sql,
            &statement.format,
            &statement.params,
            feed_out,
        )?;
        lease.keep(false);
        Ok::<Stats, Exception>(stats)
    });
    let read = async {
        send(&feed, inline).await;
        match body {
            Some((body, decoder)) => forward(body, decoder, &feed).await,
            None => Ok(()),
        }
    };
    let read = read.await;
    if read.is_ok() {
        let _ = feed.send(Feed::End).await;
    }
    drop(feed);
    let written = job.await.map_err(Exception::internal)?;
    read?; // comes first: the engine only saw that the data ended
    Ok(reply("TabSeparated", &written?, Body::empty()))
}

/// The blocking side. After a failure the rest is still taken: a client that is not read to its end would see a
/// broken connection instead of the exception.
fn write(
    connection: &mut Connection,
    sql: &str,
    format: &str,
    params: &Params,
    mut feed: mpsc::Receiver<Feed>,
) -> Result<Stats, Exception> {
    let mut insert = connection.insert(sql, format, params)?;
    let mut accepted = true;
    loop {
        match feed.blocking_recv() {
            Some(Feed::Data(data)) => accepted = accepted && insert.append(&data),
            Some(Feed::End) => return Ok(insert.finish()?),
            None => {
                return Err(Exception::network("the request was cut off, INSERT cancelled"));
            }
        }
    }
}

/// Reads the body to its end, also when it is damaged or the engine refused it.
async fn forward(
    mut body: Body,
    decoder: Decoder,
    feed: &mpsc::Sender<Feed>,
) -> Result<(), Exception> {
    let mut state = Ok(decoder);
    let mut plain = vec![];
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            Exception::network(format!("reading the request: {e}; INSERT cancelled"))
        })?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if let Ok(decoder) = &mut state {
            if let Err(exception) = decoder.push(piece, &mut plain) {
                state = Err(exception);
            }
            for data in plain.drain(..) {
                send(feed, data).await;
            }
        }
    }
    state?.finish(&mut plain)?;
    for data in plain {
        send(feed, data).await;
    }
    Ok(())
}

/// A closed channel means that the INSERT has failed; its exception comes with the end of the job.
async fn send(feed: &mpsc::Sender<Feed>, data: Bytes) {
    if !data.is_empty() {
        let _ = feed.send(Feed::Data(data)).await;
    }
}
