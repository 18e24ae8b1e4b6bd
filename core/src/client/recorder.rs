//! Events: recorded, correlated (aggregated, counted, spam-filtered) and posted one after another.
//! Models client-go's `tools/record` (event.go, events_cache.go).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::lru::Lru;
use super::rest::Client;
use crate::api::object::Object;
use crate::sim::{Channel, SimTime, TokenBucket, TraceSeq};

/// Whether an event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// Information.
    Normal,
    /// Something is wrong.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// A reference to an object for events about it.
pub fn reference(o: &dyn Object) -> ObjectReference {
    let m = o.meta();
    ObjectReference {
        api_version: Some(o.api_version().to_owned()),
        kind: Some(o.kind().to_owned()),
        name: m.name.clone(),
        namespace: m.namespace.clone(),
        uid: m.uid.clone(),
        resource_version: m.resource_version.clone(),
        field_path: None,
    }
}

/// Different messages of one sort within the interval from which they are combined.
const AGGREGATE_AT: usize = 10;
const AGGREGATE_INTERVAL: Duration = Duration::from_secs(600);
/// Events about one object from one source: at once, then one each 300 s.
const SPAM_BURST: u32 = 25;
const SPAM_QPS: f64 = 1.0 / 300.0;
/// How many objects and sorts the correlator remembers. Models maxLruCacheEntries.
const CACHE_MAX: usize = 4096;

/// What was told of one object by one source. Upstream keeps the bucket, the sorts and the messages in three caches of that size, by longer
/// and longer keys; they are forgotten together here, which tells only where there are more than that.
struct Told {
    bucket: TokenBucket,
    /// There are few.
    sorts: Vec<Sort>,
}

/// Events of one type and reason.
struct Sort {
    kind: EventType,
    reason: Rc<str>,
    last: SimTime,
    /// Different messages of late, in order. Mostly there is one.
    similar: Vec<Rc<str>>,
    /// By message; those that were combined have none.
    seen: Vec<(Rc<str>, Seen)>,
}

struct Seen {
    count: i32,
    first: jiff::Timestamp,
    /// The nanoseconds in the name of the event posted first.
    name: i128,
}

struct Correlator {
    told: Lru<Rc<str>, Told>,
    /// There are few.
    reasons: BTreeSet<Rc<str>>,
    /// The nanoseconds in the name of the last event.
    last_name: i128,
    /// For the names of objects, one after the other.
    key: String,
}

impl Default for Correlator {
    fn default() -> Self {
        Correlator { told: Lru::new(CACHE_MAX), reasons: BTreeSet::new(), last_name: 0, key: String::new() }
    }
}

impl Sort {
    /// The message to tell and the one to count, which differ where events of the sort are combined. Models EventAggregator.EventAggregate.
    fn aggregate(&mut self, message: &str, now: SimTime) -> (Rc<str>, Rc<str>) {
        if now.since(self.last) > AGGREGATE_INTERVAL {
            self.similar.clear();
        }
        self.last = now;
        let place = self.similar.binary_search_by(|m| (**m).cmp(message));
        let message: Rc<str> = match place {
            Ok(at) => self.similar[at].clone(),
            Err(at) => {
                let message: Rc<str> = message.into();
                self.similar.insert(at, message.clone());
                message
            }
        };
        if self.similar.len() < AGGREGATE_AT {
            return (message.clone(), message);
        }
        self.similar.remove(0);
        (format!("(combined from similar events): {message}").into(), "".into())
    }

    /// What is known of a message's events, made if nothing is.
    fn seen(&mut self, observed: Rc<str>, make: impl FnOnce() -> Seen) -> &mut Seen {
        let at = match self.seen.iter().position(|(m, _)| *m == observed) {
            Some(at) => at,
            None => {
                if self.seen.len() == CACHE_MAX {
                    self.seen.remove(0);
                }
                if self.seen.is_empty() {
                    self.seen.reserve_exact(1);
                }
                self.seen.push((observed, make()));
                self.seen.len() - 1
            }
        };
        &mut self.seen[at].1
    }
}

impl Told {
    fn sort(&mut self, kind: EventType, reason: &str, reasons: &mut BTreeSet<Rc<str>>, now: SimTime) -> &mut Sort {
        let at = match self.sorts.iter().position(|s| s.kind == kind && *s.reason == *reason) {
            Some(at) => at,
            None => {
                let reason = kept(reasons, reason);
                self.sorts.push(Sort { kind, reason, last: now, similar: Vec::with_capacity(1), seen: Vec::new() });
                self.sorts.len() - 1
            }
        };
        &mut self.sorts[at]
    }
}

/// The one copy of a reason.
fn kept(reasons: &mut BTreeSet<Rc<str>>, reason: &str) -> Rc<str> {
    if let Some(kept) = reasons.get(reason) {
        return kept.clone();
    }
    let kept: Rc<str> = reason.into();
    reasons.insert(kept.clone());
    kept
}

struct Posting {
    event: Rc<Event>,
    /// The number of times if it was posted before.
    count: i32,
    cause: TraceSeq,
}

/// Records events of one component. Clones share its correlator and its queue.
#[derive(Clone)]
pub struct EventRecorder {
    client: Client,
    component: Rc<str>,
    host: Rc<str>,
    correlator: Rc<RefCell<Correlator>>,
    queue: Channel<Posting>,
}

impl EventRecorder {
    /// A recorder that posts with `client`. `host` is the node for kubelets, else empty.
    pub fn start(client: &Client, component: &str, host: &str) -> Self {
        let queue: Channel<Posting> = Channel::new(client.sim());
        let (q, c) = (queue.clone(), client.clone());
        client.sim().spawn(client.process(), async move {
            while let Some(p) = q.recv().await {
                c.sim().set_cause(p.cause);
                post(&c, p).await;
            }
        });
        EventRecorder {
            client: client.clone(),
            component: component.into(),
            host: host.into(),
            correlator: Rc::default(),
            queue,
        }
    }

    /// Records an event about an object.
    pub fn event(&self, about: &dyn Object, kind: EventType, reason: &str, message: &str) {
        self.event_about(reference(about), kind, reason, message);
    }

    /// Records an event about whatever `about` refers to.
    pub fn event_about(&self, about: ObjectReference, kind: EventType, reason: &str, message: &str) {
        let sim = self.client.sim();
        let now = sim.now();
        let stamp = sim.timestamp();
        let mut correlator = self.correlator.borrow_mut();
        let Correlator { told, reasons, last_name, key } = &mut *correlator;
        key.clear();
        for name in [&about.kind, &about.namespace, &about.name, &about.uid, &about.field_path] {
            key.push_str(name.as_deref().unwrap_or_default());
            key.push('/');
        }
        let new = || Told { bucket: TokenBucket::new(SPAM_QPS, SPAM_BURST), sorts: Vec::new() };
        let told = told.get_or_insert_with(key.as_str(), new);
        let pass = told.bucket.try_take(now);
        let sort = told.sort(kind, reason, reasons, now);
        let (message, observed) = sort.aggregate(message, now);
        // Real clocks tick between any two events; here several may be of one instant.
        *last_name = (*last_name + 1).max(stamp.as_nanosecond() + i128::from(sim.random_below(1_000_000)));
        let name = *last_name;
        let seen = sort.seen(observed, || Seen { count: 0, first: stamp, name });
        seen.count += 1;
        let (count, first) = (seen.count, seen.first);
        if !pass {
            return;
        }
        let name = format!("{}.{:x}", about.name.as_deref().unwrap_or_default(), seen.name);
        let namespace = about.namespace.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| "default".into());
        let event = Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
            involved_object: about,
            reason: Some(reason.to_owned()),
            message: Some(message.to_string()),
            source: Some(EventSource {
                component: Some(self.component.to_string()),
                host: (!self.host.is_empty()).then(|| self.host.to_string()),
            }),
            first_timestamp: Some(Time(first)),
            last_timestamp: Some(Time(stamp)),
            count: Some(count),
            type_: Some(kind.as_str().to_owned()),
            reporting_component: Some(self.component.to_string()),
            reporting_instance: Some(self.host.to_string()),
            ..Event::default()
        };
        self.queue.send(Posting { event: Rc::new(event), count, cause: sim.cause() });
    }
}

async fn post(client: &Client, p: Posting) {
    let namespace = p.event.metadata.namespace.clone().unwrap_or_default();
    if p.count > 1 {
        let name = p.event.metadata.name.clone().unwrap_or_default();
        let patched = client
            .patch::<Event>(&namespace, &name, "", |e| {
                e.count = Some(p.count);
                e.last_timestamp = p.event.last_timestamp.clone();
                e.message = p.event.message.clone();
            })
            .await;
        match patched {
            Err(e) if e.is_not_found() => {}
            // A failure of the api-server: upstream tries again a dozen times 10 s apart; the loss of a count is not worth that here.
            _ => return,
        }
    }
    let mut event = Some(p.event);
    for attempt in 0..12 {
        match client.create_held(&mut event).await {
            Ok(_) | Err(super::ClientError::Status(_)) => return,
            // Models record.sleepDuration: 10 s between tries, the first at random within it.
            Err(_) if attempt == 0 => {
                client.sim().sleep(Duration::from_secs(10).mul_f64(client.sim().random_unit())).await
            }
            Err(_) => client.sim().sleep(Duration::from_secs(10)).await,
        }
    }
}
