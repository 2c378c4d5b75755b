//! Connections: a pool, a deadline for each call, and statements in the two ways that poolers allow.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod};
use oqron_core::{Config, Error, Namespace};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
#[cfg(any(feature = "publish", feature = "consume"))]
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::Address;
use crate::error::{Attempt, leaves_connection_usable};
use crate::hosts::EachHost;
use crate::plans::Plans;
use crate::statement::{Statement, for_schema, statement};
use crate::topics::Topics;

statement!(SIZES, "sql/shared/sizes.sql", []);

pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// What the planner may use. Every statement is written for one plan: rows by their key, claims along an index. On a table
/// that is empty one moment and full the next, statistics would choose others: a sort, a scan of everything, a hash.
const PLANS: [&str; 7] = [
    "enable_seqscan=off",
    "enable_bitmapscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
    "enable_sort=off",
    "enable_incremental_sort=off",
    "jit=off",
];

/// One database with its schema. Shared by the clones of an adapter.
pub(crate) struct Database {
    pool: Pool,
    #[cfg(any(feature = "publish", feature = "consume"))]
    driver: tokio_postgres::Config,
    #[cfg(any(feature = "publish", feature = "consume"))]
    tls: MakeRustlsConnect,
    pub(crate) namespace: Namespace,
    pub(crate) schema: String,
    pub(crate) shown: String,
    pub(crate) call_timeout: Duration,
    /// Not behind a transaction pooler: prepared statements, `LISTEN` and session locks work.
    pub(crate) prepared: bool,
    pub(crate) topics: Topics,
    pub(crate) wake_marks: Mutex<HashMap<i32, i64>>,
    begin: String,
    plans: Mutex<Plans>,
    texts: Mutex<HashMap<usize, Arc<str>>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("address", &self.shown)
            .field("schema", &self.schema)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Connects, checks the server's version and brings the schema up to date.
    /// A deep future: callers box it, so that programs do not meet the limit of what the compiler looks into.
    pub(crate) async fn open(config: &Config) -> Result<Arc<Self>, Error> {
        let Address {
            driver,
            trust,
            schema,
            prepared,
            pool_size,
            shown,
        } = Address::read(&config.url)?;
        let tls = crate::tls::connector(&trust)?;
        // A little less than the caller waits, so that the server's own answer comes first and its locks are free.
        let timeout_ms = (config.call_timeout.as_millis() * 95 / 100).clamp(1, i32::MAX as u128);
        let mut pooled = driver.clone();
        let mut begin = "begin isolation level read committed".to_owned();
        if prepared {
            let user_options = driver.get_options().unwrap_or_default();
            let mut options = format!(
                "{user_options} -c statement_timeout={timeout_ms} -c idle_in_transaction_session_timeout={timeout_ms} \
                 -c plan_cache_mode=force_generic_plan -c default_transaction_isolation=read\\ committed"
            );
            for plan in PLANS {
                options.push_str(" -c ");
                options.push_str(plan);
            }
            pooled.options(options.trim());
        } else {
            // Behind a pooler a session is not ours; what is set must end with the transaction.
            begin.push_str(&format!(
                "; set local statement_timeout = {timeout_ms}; set local plan_cache_mode = force_generic_plan"
            ));
            for plan in PLANS {
                begin.push_str("; set local ");
                begin.push_str(plan);
            }
        }
        let each_host = EachHost {
            tls: tls.clone(),
            call_timeout: config.call_timeout,
        };
        let manager = Manager::from_connect(
            pooled,
            each_host,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(pool_size)
            // The one that was used last has its plans ready, and nobody else needs to be awake.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| Error::Invalid {
                what: "url",
                problem: format!("no pool can be made: {error}"),
            })?;
        let database = Self {
            pool,
            #[cfg(any(feature = "publish", feature = "consume"))]
            driver,
            #[cfg(any(feature = "publish", feature = "consume"))]
            tls,
            namespace: config.namespace.clone(),
            schema,
            shown,
            call_timeout: config.call_timeout,
            prepared,
            topics: Topics::default(),
            wake_marks: Mutex::default(),
            begin,
            plans: Mutex::new(Plans::new(std::time::Instant::now())),
            texts: Mutex::default(),
        };
        crate::migrate::migrate(&database).await?;
        Ok(Arc::new(database))
    }

    pub(crate) fn attempt(&self, action: &'static str) -> Attempt<'_> {
        Attempt {
            backend: &self.shown,
            action,
            timeout: self.call_timeout,
        }
    }

    /// Text and types of a statement for this schema.
    pub(crate) fn text_of(&self, statement: &'static Statement) -> Arc<str> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts
            .entry(statement.text.as_ptr() as usize)
            .or_insert_with(|| for_schema(statement.text, &self.schema).into())
            .clone()
    }

    /// A connection for one call, which has to end within the call timeout.
    pub(crate) async fn connection(&self, action: &'static str) -> Result<Connection<'_>, Error> {
        let deadline = Instant::now() + self.call_timeout;
        let attempt = self.attempt(action);
        let client = timeout_at(deadline, self.pool.get())
            .await
            .map_err(|_| attempt.timed_out())?
            .map_err(|error| attempt.of_pool(error))?;
        let connection = Connection {
            client: Some(client),
            database: self,
            attempt,
            deadline,
            unusable: AtomicBool::new(false),
        };
        if self.prepared && self.plans().look_is_due(std::time::Instant::now()) {
            self.look_at_sizes(&connection).await;
        }
        Ok(connection)
    }

    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans of tables that have grown are made anew: a statement that is prepared again is planned again. A failure says
    /// nothing here; what the connection is for meets it too.
    async fn look_at_sizes(&self, connection: &Connection<'_>) {
        let text = self.text_of(&SIZES);
        let looked = connection
            .within(connection.client().query_typed(&text, &[]))
            .await;
        let sizes = looked.ok().and_then(|rows| rows.first()?.try_get(0).ok());
        if sizes.is_some_and(|sizes| self.plans().seen(sizes)) {
            self.pool.manager().statement_caches.clear();
        }
    }

    /// One statement in a transaction of its own. It is sent again over another connection while those of the pool turn out
    /// to be dead: all that Oqron sends may be sent again.
    pub(crate) async fn query(
        &self,
        action: &'static str,
        statement: &'static Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Error> {
        loop {
            let connection = self.connection(action).await?;
            match connection.query(statement, params).await {
                Err(Error::Unavailable { .. }) if !connection.is_fresh() => {}
                answer => return answer,
            }
        }
    }

    /// A connection of its own beside the pool, for listening.
    #[cfg(any(feature = "publish", feature = "consume"))]
    pub(crate) async fn connect_alone(
        &self,
    ) -> Result<
        (
            tokio_postgres::Client,
            tokio_postgres::Connection<
                tokio_postgres::Socket,
                <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream,
            >,
        ),
        Error,
    > {
        let attempt = self.attempt("open a listening connection");
        let connecting = crate::hosts::connect(&self.driver, &self.tls, self.call_timeout);
        tokio::time::timeout(self.call_timeout, connecting)
            .await
            .map_err(|_| attempt.timed_out())?
            .map_err(|error| attempt.of_driver(&error))
    }
}

/// A connection lent for one call. Given back to the pool when it is dropped, unless an answer is still under way: then
/// it is closed, and the server ends what it does at its own timeout.
pub(crate) struct Connection<'a> {
    client: Option<Object>,
    database: &'a Database,
    pub(crate) attempt: Attempt<'a>,
    deadline: Instant,
    unusable: AtomicBool,
}

impl Connection<'_> {
    fn client(&self) -> &Object {
        self.client
            .as_ref()
            .expect("it is taken out only when the connection is dropped")
    }

    /// Opened for this call, so that its failure says something of the server.
    pub(crate) fn is_fresh(&self) -> bool {
        Object::metrics(self.client()).recycle_count == 0
    }

    pub(crate) fn client_mut(&mut self) -> &mut Object {
        self.client
            .as_mut()
            .expect("it is taken out only when the connection is dropped")
    }

    /// Waits for an answer until the deadline.
    pub(crate) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        self.unusable.store(true, Ordering::Relaxed);
        match timeout_at(self.deadline, answer).await {
            Ok(Ok(value)) => {
                self.unusable.store(false, Ordering::Relaxed);
                Ok(value)
            }
            Ok(Err(error)) => {
                let is_usable = leaves_connection_usable(&error);
                self.unusable.store(!is_usable, Ordering::Relaxed);
                if !is_usable {
                    // What ended this connection has often ended the idle ones too, and nobody has noticed yet.
                    self.database.pool.retain(|_, _| false);
                }
                Err(self.attempt.of_driver(&error))
            }
            Err(_) => Err(self.attempt.timed_out()),
        }
    }

    /// One statement in a transaction of its own.
    pub(crate) async fn query(
        &self,
        statement: &'static Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Error> {
        let ready = self.ready(statement).await?;
        if self.database.prepared {
            return self.within(self.send(&ready, params)).await;
        }
        self.within(async {
            let (begun, rows, ended) = futures::join!(self.begin(), self.send(&ready, params), self.commit());
            begun?;
            let rows = rows?;
            ended?;
            Ok(rows)
        })
        .await
    }

    /// A statement in a transaction of its own, and a hint in another one behind it: without waiting between them, and so
    /// that its failure is none of the statement's.
    #[cfg(feature = "publish")]
    pub(crate) async fn query_then(
        &self,
        (statement, params): (&'static Statement, &[Param<'_>]),
        hint: Option<(&'static Statement, &[Param<'_>])>,
    ) -> Result<(Vec<Row>, Option<Result<Vec<Row>, Error>>), Error> {
        let Some((hint, hint_params)) = hint else {
            return Ok((self.query(statement, params).await?, None));
        };
        if !self.database.prepared {
            let rows = self.query(statement, params).await?;
            return Ok((rows, Some(self.query(hint, hint_params).await)));
        }
        let [ready, ready_hint] = self.all_ready([statement, hint]).await?;
        let mut hint_answer = std::pin::pin!(futures::FutureExt::fuse(self.send(&ready_hint, hint_params)));
        let mut hinted = None;
        let rows = self
            .within(async {
                let mut answer = std::pin::pin!(self.send(&ready, params));
                std::future::poll_fn(|cx| {
                    // Polled in this order, which is the order on the wire.
                    let rows = answer.as_mut().poll(cx);
                    if let std::task::Poll::Ready(early) = hint_answer.as_mut().poll(cx) {
                        hinted = Some(early.map_err(|error| self.attempt.of_driver(&error)));
                    }
                    rows
                })
                .await
            })
            .await?;
        if hinted.is_none() {
            hinted = Some(self.within(hint_answer).await);
        }
        Ok((rows, hinted))
    }

    /// Two statements, each in a transaction of its own, the second without waiting for the first.
    #[cfg(feature = "consume")]
    pub(crate) async fn query_both(
        &self,
        (first, first_params): (&'static Statement, &[Param<'_>]),
        (second, second_params): (&'static Statement, &[Param<'_>]),
    ) -> Result<[Vec<Row>; 2], Error> {
        if !self.database.prepared {
            let first = self.query(first, first_params).await?;
            return Ok([first, self.query(second, second_params).await?]);
        }
        let [first, second] = self.all_ready([first, second]).await?;
        self.within(async {
            let (first, second) =
                futures::join!(self.send(&first, first_params), self.send(&second, second_params));
            Ok([first?, second?])
        })
        .await
    }

    /// What has to be there before statements are sent one behind the other without waiting. Statements that are not, are
    /// made ready together.
    #[cfg(any(feature = "publish", feature = "consume"))]
    pub(crate) async fn all_ready<const N: usize>(
        &self,
        statements: [&'static Statement; N],
    ) -> Result<[Ready; N], Error> {
        let ready = futures::future::join_all(statements.map(|statement| self.ready_unbounded(statement)));
        let ready = self
            .within(async { ready.await.into_iter().collect::<Result<Vec<_>, _>>() })
            .await?;
        Ok(ready
            .try_into()
            .unwrap_or_else(|_| unreachable!("one for each statement")))
    }

    /// The same for one statement.
    pub(crate) async fn ready(&self, statement: &'static Statement) -> Result<Ready, Error> {
        self.within(self.ready_unbounded(statement)).await
    }

    async fn ready_unbounded(&self, statement: &'static Statement) -> Result<Ready, tokio_postgres::Error> {
        let text = self.database.text_of(statement);
        if self.database.prepared {
            let client = self.client();
            let prepared = client.prepare_typed_cached(&text, statement.types).await?;
            Ok(Ready::Prepared(prepared))
        } else {
            Ok(Ready::Text(text, statement.types))
        }
    }

    /// Sends a statement when it is first polled; futures that are polled in order are a pipeline.
    pub(crate) async fn send(
        &self,
        ready: &Ready,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        match ready {
            Ready::Prepared(statement) => self.client().query(statement, params).await,
            Ready::Text(text, types) => {
                let typed: Vec<(Param<'_>, Type)> =
                    params.iter().copied().zip(types.iter().cloned()).collect();
                self.client().query_typed(text, &typed).await
            }
        }
    }

    pub(crate) async fn begin(&self) -> Result<(), tokio_postgres::Error> {
        self.client().batch_execute(&self.database.begin).await
    }

    pub(crate) async fn commit(&self) -> Result<(), tokio_postgres::Error> {
        self.client().batch_execute("commit").await
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && self.unusable.load(Ordering::Relaxed)
        {
            drop(Object::take(client));
        }
    }
}

/// A statement that can be sent without another round trip.
pub(crate) enum Ready {
    Prepared(tokio_postgres::Statement),
    Text(Arc<str>, &'static [Type]),
}
