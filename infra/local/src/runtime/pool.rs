//! All instances of one function: which one runs an invocation, and whether there may be another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use infra_model::{Function, Trigger};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::InvokeError;
use super::instance::{Card, Home, Job, Run};
use super::report::{Figures, FunctionReport};
use crate::events::{EventKind, Events};
use crate::flows::TraceContext;

/// How many instances may end before they are given an invocation until it fails.
const ATTEMPTS: u32 = 3;

/// Starts an instance that lives in this home.
pub(super) type Start = Box<dyn Fn(Arc<dyn Home>) -> (Arc<Card>, mpsc::UnboundedSender<Job>) + Send + Sync>;

/// The instances of one function.
pub(super) struct Pool {
    pub(super) function: &'static Function,
    start: Start,
    /// How many invocations may run at once: the function's own, or shared with others.
    concurrency: Arc<Semaphore>,
    concurrency_limit: u32,
    state: Mutex<State>,
    events: Events,
    this: Weak<Self>,
}

#[derive(Default)]
struct State {
    /// The most recently used last.
    idle: Vec<Instance>,
    cards: BTreeMap<String, Arc<Card>>,
    figures: Figures,
}

struct Instance {
    card: Arc<Card>,
    jobs: mpsc::UnboundedSender<Job>,
}

/// An invocation for whichever instance is free.
pub(super) struct Invocation<'a> {
    pub(super) request_id: &'a str,
    pub(super) payload: Bytes,
    pub(super) trace_header: String,
    pub(super) traces: &'a [TraceContext],
}

/// How an invocation ran, and where.
pub(super) struct Ran {
    pub(super) instance: String,
    pub(super) run: Run,
    pub(super) billed_ms: u64,
}

impl Pool {
    pub(super) fn new(
        function: &'static Function,
        start: Start,
        concurrency: Arc<Semaphore>,
        events: Events,
    ) -> Arc<Self> {
        let concurrency_limit = u32::try_from(concurrency.available_permits()).unwrap_or(u32::MAX);
        Arc::new_cyclic(|this| Self {
            function,
            start,
            concurrency,
            concurrency_limit,
            state: Mutex::default(),
            events,
            this: Weak::clone(this),
        })
    }

    /// Runs an invocation on the warm instance that was used last, or on a new one.
    ///
    /// # Errors
    /// [`InvokeError::Throttled`]. Other errors are the run's.
    pub(super) async fn run(&self, invocation: Invocation<'_>) -> Result<Ran, InvokeError> {
        let Ok(_permit) = self.concurrency.try_acquire() else {
            self.lock().figures.throttles += 1;
            self.tell();
            return Err(InvokeError::Throttled);
        };
        for _ in 0..ATTEMPTS {
            let instance = self.warm().unwrap_or_else(|| self.cold());
            instance.card.runs(invocation.traces);
            let (reply, run) = oneshot::channel();
            let job = Job {
                request_id: invocation.request_id.to_owned(),
                payload: invocation.payload.clone(),
                trace_header: invocation.trace_header.clone(),
                reply,
            };
            if instance.jobs.send(job).is_err() {
                continue;
            }
            // An error says that it ended before it was given the invocation.
            if let Ok(run) = run.await {
                return Ok(self.ran(instance, run));
            }
        }
        let detail = format!("{ATTEMPTS} instances in a row ended before they ran anything");
        Err(InvokeError::InitFailed { detail })
    }

    pub(super) fn report(&self) -> FunctionReport {
        let state = self.lock();
        let (p50_ms, p95_ms) = state.figures.percentiles().unzip();
        let mut instances: Vec<_> = state.cards.values().map(|card| card.report()).collect();
        instances.sort_by(|a, b| (&a.started_at, &a.id).cmp(&(&b.started_at, &b.id)));
        FunctionReport {
            name: self.function.name,
            purpose: self.function.purpose,
            trigger: match self.function.trigger {
                Trigger::Http => "http",
                Trigger::Stream(_) => "stream",
                Trigger::Queue(_) => "queue",
                Trigger::Schedule(_) => "schedule",
            },
            memory_mib: self.function.memory_mib,
            timeout_seconds: self.function.timeout_seconds,
            concurrency_limit: self.concurrency_limit,
            invocations: state.figures.invocations,
            errors: state.figures.errors,
            throttles: state.figures.throttles,
            cold_starts: state.figures.cold_starts,
            p50_ms,
            p95_ms,
            billed_ms: state.figures.billed_ms,
            instances,
        }
    }

    pub(super) fn card(&self, instance: &str) -> Option<Arc<Card>> {
        self.lock().cards.get(instance).cloned()
    }

    fn warm(&self) -> Option<Instance> {
        self.lock().idle.pop()
    }

    fn cold(&self) -> Instance {
        let home = self.this.upgrade().expect("a pool is used through its Arc");
        // Locked meanwhile, so that an instance that ends at once is forgotten after it is known.
        let mut state = self.lock();
        let (card, jobs) = (self.start)(home);
        state.cards.insert(card.id.clone(), Arc::clone(&card));
        Instance { card, jobs }
    }

    /// Counts a run, and keeps its instance for the next.
    fn ran(&self, instance: Instance, run: Run) -> Ran {
        instance.card.runs(&[]);
        let id = instance.card.id.clone();
        let billed_ms = billed_ms(run.init.unwrap_or_default() + run.duration);
        let mut state = self.lock();
        state.figures.invocations += 1;
        state.figures.errors += u64::from(run.result.is_err());
        state.figures.cold_starts += u64::from(run.init.is_some());
        state.figures.billed_ms += billed_ms;
        state.figures.took(run.duration.as_secs_f64() * 1_000.0);
        if run.reusable {
            state.idle.push(instance);
        }
        drop(state);
        self.tell();
        Ran { instance: id, run, billed_ms }
    }

    fn tell(&self) {
        if self.events.has_listeners() {
            self.events.publish(EventKind::Function, &self.report());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for Pool {
    fn retire(&self, id: &str) -> bool {
        let mut state = self.lock();
        let position = state.idle.iter().position(|instance| instance.card.id == id);
        position.map(|position| state.idle.remove(position)).is_some()
    }

    fn changed(&self) {
        self.tell();
    }

    fn forget(&self, id: &str) {
        let mut state = self.lock();
        state.idle.retain(|instance| instance.card.id != id);
        state.cards.remove(id);
        drop(state);
        self.tell();
    }
}

/// Lambda bills the start and the run together, in whole milliseconds.
fn billed_ms(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A pool of instances that answer once `go` allows it, with their own id.
    struct Fake {
        pool: Arc<Pool>,
        started: Arc<AtomicUsize>,
        go: Arc<Semaphore>,
    }

    fn fake(limit: usize) -> Fake {
        let started = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Semaphore::new(0));
        let (counter, gate) = (Arc::clone(&started), Arc::clone(&go));
        let start: Start = Box::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let (sender, jobs) = mpsc::unbounded_channel();
            let card = Arc::new(Card::new());
            tokio::spawn(answer(jobs, card.id.clone(), Arc::clone(&gate)));
            (card, sender)
        });
        let function = infra_model::APP.function("api").unwrap();
        let pool = Pool::new(function, start, Arc::new(Semaphore::new(limit)), Events::new());
        Fake { pool, started, go }
    }

    async fn answer(mut jobs: mpsc::UnboundedReceiver<Job>, id: String, go: Arc<Semaphore>) {
        let mut init = Some(Duration::from_micros(1_500));
        while let Some(job) = jobs.recv().await {
            go.acquire().await.unwrap().forget();
            if job.payload.starts_with(b"vanish") {
                return;
            }
            let reusable = !job.payload.starts_with(b"crash");
            let result = if reusable {
                Ok(Bytes::from(id.clone()))
            } else {
                Err(InvokeError::Crashed { detail: "crashed".to_owned() })
            };
            let _ = job.reply.send(Run {
                init: init.take(),
                duration: Duration::from_micros(700),
                max_memory_mib: 1,
                result,
                reusable,
            });
        }
    }

    fn invocation(payload: &'static str) -> Invocation<'static> {
        Invocation {
            request_id: "r",
            payload: Bytes::from_static(payload.as_bytes()),
            trace_header: String::new(),
            traces: &[],
        }
    }

    impl Fake {
        async fn run(&self) -> Result<Ran, InvokeError> {
            self.pool.run(invocation("")).await
        }
    }

    #[tokio::test]
    async fn invocations_one_after_the_other_share_one_warm_instance() {
        let fake = fake(10);
        fake.go.add_permits(2);
        let first = fake.run().await.unwrap();
        let second = fake.run().await.unwrap();
        assert_eq!(first.instance, second.instance);
        assert_eq!((first.run.init.is_some(), second.run.init.is_some()), (true, false));
        // 1.5 ms and 0.7 ms are billed as 3 ms, 0.7 ms alone as one.
        assert_eq!((first.billed_ms, second.billed_ms), (3, 1));
        let report = fake.pool.report();
        assert_eq!((report.invocations, report.cold_starts, report.billed_ms), (2, 1, 4));
    }

    #[tokio::test]
    async fn it_scales_out_to_its_limit_and_then_throttles() {
        let fake = fake(2);
        let (first, second, third) = tokio::join!(fake.run(), fake.run(), async {
            let third = fake.run().await;
            fake.go.add_permits(2);
            third
        });
        assert_ne!(first.unwrap().instance, second.unwrap().instance);
        assert!(matches!(third, Err(InvokeError::Throttled)));
        assert_eq!(fake.started.load(Ordering::SeqCst), 2);
        assert_eq!(fake.pool.report().throttles, 1);

        fake.go.add_permits(1);
        assert!(fake.run().await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn the_instance_used_last_is_used_first() {
        let fake = fake(2);
        let (mut one, mut other) = (Box::pin(fake.run()), Box::pin(fake.run()));
        let (done, remaining) = tokio::select! {
            ran = &mut one => (ran, other),
            ran = &mut other => (ran, one),
            () = async { fake.go.add_permits(1); std::future::pending().await } => unreachable!(),
        };
        fake.go.add_permits(1);
        let last = remaining.await.unwrap();
        assert_ne!(done.unwrap().instance, last.instance);
        fake.go.add_permits(1);
        assert_eq!(fake.run().await.unwrap().instance, last.instance);
    }

    #[tokio::test]
    async fn a_crashed_instance_is_not_used_again() {
        let fake = fake(1);
        fake.go.add_permits(2);
        let crashed = fake.pool.run(invocation("crash")).await.unwrap();
        assert!(crashed.run.result.is_err());
        assert_ne!(fake.run().await.unwrap().instance, crashed.instance);
    }

    #[tokio::test]
    async fn an_invocation_that_no_instance_was_given_is_tried_on_others_and_then_fails() {
        let fake = fake(1);
        fake.go.add_permits(3);
        let result = fake.pool.run(invocation("vanish")).await;
        assert!(matches!(result, Err(InvokeError::InitFailed { .. })));
        assert_eq!(fake.started.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn an_instance_retires_only_while_it_waits() {
        let fake = fake(1);
        fake.go.add_permits(1);
        let ran = fake.run().await.unwrap();
        assert!(fake.pool.retire(&ran.instance));
        assert!(!fake.pool.retire(&ran.instance));
        fake.go.add_permits(1);
        assert_ne!(fake.run().await.unwrap().instance, ran.instance);
    }
}
