//! Connections for requests: idle ones kept by what they are set to, sessions that hold one, and the keeper.
//!
//! Invariant: a connection is used again only when its user said so ([`Lease::keep`]); otherwise it is closed.
//! After a failed INSERT or an error in the middle of rows the engine lists the query until that happens.

use crate::engine::{Connection, Engine, EngineError};
use crate::exception::Exception;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Idle connections of one kind, kinds of idle connections, and sessions at most.
const IDLE_MAX: usize = 16;
const KINDS_MAX: usize = 64;
const SESSIONS_MAX: usize = 256;
/// A session ends this long after its last request (ClickHouse's default_session_timeout).
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// What a request wants its connection to be like.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    /// Current database.
    pub database: Option<String>,
    /// Settings by name, in the order of the request.
    pub settings: Vec<(String, String)>,
    /// The request is a GET: it may change nothing.
    pub readonly: bool,
}

impl Setup {
    /// Equal keys may share a connection. None when the settings are of this one request.
    fn key(&self) -> Option<String> {
        if self
            .settings
            .iter()
            .any(|(name, _)| name == "insert_deduplication_token" || name == "log_comment")
        {
            return None;
        }
        let mut settings = self.settings.clone();
        settings.sort();
        Some(format!("{:?} {settings:?} {}", self.database, self.readonly))
    }

    /// `SET a = 'x', ...`, None when there is nothing to set.
    fn set_statement(&self) -> Result<Option<String>, Exception> {
        let mut parts = vec![];
        for (name, value) in &self.settings {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(Exception::new(
                    115,
                    "UNKNOWN_SETTING",
                    format!("{name:?} is no name of a setting"),
                ));
            }
            parts.push(format!("{name} = {}", string(value)));
        }
        if self.readonly {
            parts.push("readonly = 1".into());
        }
        Ok((!parts.is_empty()).then(|| format!("SET {}", parts.join(", "))))
    }
}

/// A string literal.
fn string(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn run(connection: &mut Connection, statement: &str) -> Result<(), EngineError> {
    connection.query(statement, "Null", &[]).map(|_| ())
}

fn use_database(connection: &mut Connection, database: Option<&str>) -> Result<(), EngineError> {
    let Some(name) = database else { return Ok(()) };
    run(connection, &format!("USE `{}`", name.replace('\\', "\\\\").replace('`', "\\`")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole between any two statements, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An HTTP session: its connection, and the URL settings that hold on it just now.
#[derive(Default)]
struct Session {
    connection: Option<Connection>,
    /// Name, value, and what to go back to (None: the default).
    applied: Vec<(String, String, Option<String>)>,
}

impl Session {
    /// Takes the connection and sets it for one request; settings of the request before are undone.
    fn prepare(&mut self, pool: &Pool, setup: &Setup) -> Result<Connection, Exception> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.applied.clear();
                pool.open(&Setup::default())?
            }
        };
        match self.change(&mut connection, setup) {
            Ok(()) => Ok(connection),
            Err(error) => {
                self.connection = Some(connection);
                Err(error)
            }
        }
    }

    fn change(&mut self, connection: &mut Connection, setup: &Setup) -> Result<(), Exception> {
        use_database(connection, setup.database.as_deref())?;
        // A GET in a session is not held to reading: readonly could not be taken back for the next request.
        let wanted = Setup { readonly: false, ..setup.clone() };
        let undo: Vec<String> = (self.applied.iter())
            .map(|(name, _, before)| {
                format!("{name} = {}", before.as_deref().map_or("DEFAULT".into(), string))
            })
            .collect();
        if !undo.is_empty() {
            run(connection, &format!("SET {}", undo.join(", ")))?;
            self.applied.clear();
        }
        let Some(set) = wanted.set_statement()? else {
            return Ok(());
        };
        let names: Vec<String> = wanted.settings.iter().map(|(name, _)| string(name)).collect();
        let changed = format!(
            "SELECT name, value FROM system.settings WHERE changed AND name IN ({})",
            names.join(", ")
        );
        let changed = connection.query(&changed, "TSVRaw", &[])?;
        let before: HashMap<String, String> = (String::from_utf8_lossy(changed.data()).lines())
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        run(connection, &set)?;
        self.applied = (wanted.settings.into_iter())
            .map(|(name, value)| (name.clone(), value, before.get(&name).cloned()))
            .collect();
        Ok(())
    }
}

/// A session that may be in use, and when it was last asked for.
struct Shared {
    session: Arc<AsyncMutex<Session>>,
    asked: Instant,
}

/// All connections of the process.
pub struct Pool {
    engine: Arc<Engine>,
    args: Vec<String>,
    /// Held from start to stop: the engine is torn down when its last connection closes.
    keeper: Mutex<Option<Connection>>,
    idle: Mutex<HashMap<String, Vec<Connection>>>,
    sessions: Mutex<HashMap<String, Shared>>,
}

impl Pool {
    /// Opens the engine's data with the keeper connection.
    ///
    /// # Errors
    /// See [`Engine::connect`].
    pub fn new(engine: Arc<Engine>, args: Vec<String>) -> Result<Arc<Pool>, EngineError> {
        let keeper = engine.connect(&args)?;
        Ok(Arc::new(Pool {
            engine,
            args,
            keeper: Mutex::new(Some(keeper)),
            idle: Mutex::default(),
            sessions: Mutex::default(),
        }))
    }

    /// Runs a statement of this program's own and returns its text.
    ///
    /// # Errors
    /// The engine's; and after [`Pool::close`].
    pub fn query(&self, sql: &str) -> Result<String, EngineError> {
        match lock(&self.keeper).as_mut() {
            Some(keeper) => {
                let answer = keeper.query(sql, "TSV", &[])?;
                Ok(String::from_utf8_lossy(answer.data()).trim_end().to_string())
            }
            None => Err(EngineError("the engine is stopping".into())),
        }
    }

    /// A connection as `setup` wants it, of the session if one is named. Waits, so call it on a blocking thread.
    ///
    /// # Errors
    /// Settings or a database the engine does not accept; too many sessions.
    pub fn lease(
        self: &Arc<Self>,
        setup: &Setup,
        session: Option<&str>,
    ) -> Result<Lease, Exception> {
        if let Some(id) = session {
            let mut session = self.session(id)?.blocking_lock_owned();
            let connection = session.prepare(self, setup)?;
            return Ok(Lease { connection, home: Home::Session(session) });
        }
        let key = setup.key();
        let idle = key.as_ref().and_then(|key| lock(&self.idle).get_mut(key)?.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => self.open(setup)?,
        };
        Ok(Lease { connection, home: Home::Pool(self.clone(), key) })
    }

    /// Closes every connection that no request holds, the keeper too.
    pub fn close(&self) {
        lock(&self.idle).clear();
        lock(&self.sessions).clear();
        lock(&self.keeper).take();
    }

    fn open(&self, setup: &Setup) -> Result<Connection, Exception> {
        let mut connection = self.engine.connect(&self.args)?;
        use_database(&mut connection, setup.database.as_deref())?;
        if let Some(set) = setup.set_statement()? {
            run(&mut connection, &set)?;
        }
        Ok(connection)
    }

    fn session(&self, id: &str) -> Result<Arc<AsyncMutex<Session>>, Exception> {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, shared| {
            shared.asked.elapsed() < SESSION_TIMEOUT || Arc::strong_count(&shared.session) > 1
        });
        if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(id) {
            return Err(Exception::new(
                202,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                format!("{SESSIONS_MAX} sessions are open: let some run out or use no session_id"),
            ));
        }
        let fresh = || Shared { session: Arc::default(), asked: Instant::now() };
        let shared = sessions.entry(id.to_string()).or_insert_with(fresh);
        shared.asked = Instant::now();
        Ok(shared.session.clone())
    }

    fn give_back(&self, key: String, connection: Connection) {
        if lock(&self.keeper).is_none() {
            return; // stopping: let it close
        }
        let mut idle = lock(&self.idle);
        if idle.len() >= KINDS_MAX && !idle.contains_key(&key) {
            idle.clear();
        }
        let same = idle.entry(key).or_default();
        if same.len() < IDLE_MAX {
            same.push(connection);
        }
    }
}

enum Home {
    Pool(Arc<Pool>, Option<String>),
    Session(OwnedMutexGuard<Session>),
}

/// The use of a connection for one request. Dropped without [`Lease::keep`], the connection is closed.
pub struct Lease {
    connection: Connection,
    home: Home,
}

impl Lease {
    /// The connection.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Gives the connection back for others. `changed`: its state is no more what its setup says; then only a
    /// session keeps it.
    pub fn keep(self, changed: bool) {
        match self.home {
            Home::Session(mut session) => session.connection = Some(self.connection),
            Home::Pool(pool, Some(key)) if !changed => pool.give_back(key, self.connection),
            Home::Pool(..) => {}
        }
    }
}
