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

/// About what an event is: one source, one object.
type ObjectKey = Rc<str>;

struct Similar {
    /// In order. Mostly there is one.
    messages: Vec<Rc<str>>,
    last: SimTime,
}

struct Seen {
    count: i32,
    first: jiff::Timestamp,
    /// The nanoseconds in the name of the event posted first.
    name: i128,
}

struct Correlator {
    similar: Lru<(ObjectKey, EventType, Rc<str>), Similar>,
    seen: Lru<(ObjectKey, EventType, Rc<str>, Rc<str>), Seen>,
    spam: Lru<ObjectKey, TokenBucket>,
    /// There are few.
    reasons: BTreeSet<Rc<str>>,
    /// The nanoseconds in the name of the last event.
    last_name: i128,
}

impl Default for Correlator {
    fn default() -> Self {
        let (similar, seen, spam) = (Lru::new(CACHE_MAX), Lru::new(CACHE_MAX), Lru::new(CACHE_MAX));
        Correlator { similar, seen, spam, reasons: BTreeSet::new(), last_name: 0 }
    }
}

impl Correlator {
    /// The one copy of a reason.
    fn reason(&mut self, reason: &str) -> Rc<str> {
        if let Some(kept) = self.reasons.get(reason) {
            return kept.clone();
        }
        let kept: Rc<str> = reason.into();
        self.reasons.insert(kept.clone());
        kept
    }
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
        let names = [&about.kind, &about.namespace, &about.name, &about.uid, &about.field_path];
        let object: ObjectKey = names.map(|name| name.as_deref().unwrap_or_default()).join("/").into();
        let mut correlator = self.correlator.borrow_mut();
        let correlator = &mut *correlator;
        // One copy of the key for all events about an object.
        let (object, bucket) = correlator.spam.kept_or_insert_with(object, || TokenBucket::new(SPAM_QPS, SPAM_BURST));
        let pass = bucket.try_take(now);
        let reason_key = correlator.reason(reason);
        let mut message: Rc<str> = message.into();
        let mut observed = message.clone();
        {
            let key = (object.clone(), kind, reason_key.clone());
            let similar = || Similar { messages: Vec::with_capacity(1), last: now };
            let similar = correlator.similar.get_or_insert_with(key, similar);
            if now.since(similar.last) > AGGREGATE_INTERVAL {
                similar.messages.clear();
            }
            similar.last = now;
            if let Err(place) = similar.messages.binary_search(&message) {
                similar.messages.insert(place, message.clone());
            }
            if similar.messages.len() >= AGGREGATE_AT {
                similar.messages.remove(0);
                message = format!("(combined from similar events): {message}").into();
                observed = "".into();
            }
        }
        let stamp = sim.timestamp();
        let key = (object, kind, reason_key, observed);
        // Real clocks tick between any two events; here several may be of one instant.
        correlator.last_name =
            (correlator.last_name + 1).max(stamp.as_nanosecond() + i128::from(sim.random_below(1_000_000)));
        let name = correlator.last_name;
        let seen = correlator.seen.get_or_insert_with(key, || Seen { count: 0, first: stamp, name });
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
