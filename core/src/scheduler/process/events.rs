//! Events in the form of events.k8s.io: with a time and an action, repeated ones as a series.
//! Models client-go `tools/events/event_broadcaster.go`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::{Event, EventSeries, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use rustc_hash::FxBuildHasher;

use crate::api::at_rest;
use crate::client::{Client, reference};
use crate::sim::{Channel, SimTime, TraceSeq};

/// A series that has been silent for this long has ended.
const FINISH_TIME: Duration = Duration::from_secs(6 * 60);
/// A series that goes on is written again this often.
const REFRESH_TIME: Duration = Duration::from_secs(30 * 60);

/// What makes events of one series: everything but time and note.
type Key = (Rc<str>, &'static str, &'static str);

struct Series {
    /// The event that began it.
    first: First,
    /// Once it was repeated.
    series: Option<EventSeries>,
    last: SimTime,
    /// Occurrences that the api-server has not been told of.
    untold: bool,
}

/// An event that is hardly ever repeated, packed if it is like most.
enum First {
    Packed(Box<[u8]>),
    Whole(Rc<Event>),
}

impl Series {
    /// The event as it stands.
    fn event(&self) -> Rc<Event> {
        let mut event = match &self.first {
            First::Packed(packed) => at_rest::event::unpack(packed),
            First::Whole(event) => (**event).clone(),
        };
        event.series.clone_from(&self.series);
        Rc::new(event)
    }
}

struct Posting {
    event: Rc<Event>,
    /// Written before: only the series is new.
    again: bool,
    cause: TraceSeq,
}

/// Records events about pods. Clones share its memory and its queue.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    controller: Rc<str>,
    instance: Rc<str>,
    series: Rc<RefCell<IndexMap<Key, Series, FxBuildHasher>>>,
    queue: Channel<Posting>,
}

impl Recorder {
    /// A recorder for `controller` on `host`.
    pub fn start(client: &Client, controller: &str, host: &str) -> Self {
        let this = Recorder {
            client: client.clone(),
            controller: controller.into(),
            instance: format!("{controller}-{host}").into(),
            series: Rc::default(),
            queue: Channel::new(client.sim()),
        };
        let (queue, poster) = (this.queue.clone(), client.clone());
        client.sim().spawn(client.process(), async move {
            while let Some(posting) = queue.recv().await {
                poster.sim().set_cause(posting.cause);
                post(&poster, posting).await;
            }
        });
        let r = this.clone();
        client.sim().spawn(client.process(), async move {
            let mut refreshed = Duration::ZERO;
            loop {
                r.client.sim().sleep(FINISH_TIME).await;
                refreshed += FINISH_TIME;
                r.finish();
                if refreshed >= REFRESH_TIME {
                    refreshed = Duration::ZERO;
                    r.refresh();
                }
            }
        });
        this
    }
    /// Good news about a pod.
    pub fn normal(&self, pod: &Pod, reason: &'static str, action: &'static str, note: &str) {
        self.record(pod, None, "Normal", reason, action, note);
    }
    /// Bad news about a pod.
    pub fn warning(&self, pod: &Pod, reason: &'static str, action: &'static str, note: &str) {
        self.record(pod, None, "Warning", reason, action, note);
    }
    /// A pod was evicted for another.
    pub fn preempted(&self, victim: &Pod, preemptor: &Pod, note: &str) {
        self.record(victim, Some(reference(preemptor)), "Normal", "Preempted", "Preempting", note);
    }

    fn record(
        &self,
        pod: &Pod,
        related: Option<ObjectReference>,
        type_: &'static str,
        reason: &'static str,
        action: &'static str,
        note: &str,
    ) {
        let sim = self.client.sim();
        let (now, stamp) = (sim.now(), sim.timestamp());
        let about = reference(pod);
        let key = (Rc::from(pod.metadata.uid.as_deref().unwrap_or_default()), reason, action);
        let mut all = self.series.borrow_mut();
        if let Some(known) = all.get_mut(&key) {
            known.last = now;
            match &mut known.series {
                Some(series) => {
                    series.count = Some(series.count.unwrap_or(0) + 1);
                    series.last_observed_time = Some(MicroTime(stamp));
                    known.untold = true;
                }
                None => {
                    let series = EventSeries { count: Some(2), last_observed_time: Some(MicroTime(stamp)) };
                    known.series = Some(series);
                    self.send(known.event(), true);
                }
            }
            return;
        }
        let name = format!("{}.{:x}", about.name.as_deref().unwrap_or_default(), stamp.as_nanosecond());
        let namespace = about.namespace.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned());
        let event = Rc::new(Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
            involved_object: about,
            related,
            reason: Some(reason.to_owned()),
            action: Some(action.to_owned()),
            message: Some(note.to_owned()),
            type_: Some(type_.to_owned()),
            event_time: Some(MicroTime(stamp)),
            source: Some(EventSource::default()),
            reporting_component: Some(self.controller.to_string()),
            reporting_instance: Some(self.instance.to_string()),
            ..Event::default()
        });
        let first = match at_rest::event::pack(&event) {
            Some(packed) => First::Packed(packed),
            None => First::Whole(event.clone()),
        };
        self.send(event, false);
        all.insert(key, Series { first, series: None, last: now, untold: false });
    }
    fn send(&self, event: Rc<Event>, again: bool) {
        self.queue.send(Posting { event, again, cause: self.client.sim().cause() });
    }
    /// Forgets what has been silent; a series is written a last time.
    fn finish(&self) {
        let now = self.client.sim().now();
        let mut last_words = Vec::new();
        self.series.borrow_mut().retain(|_, s| {
            let over = now.since(s.last) >= FINISH_TIME;
            if over && s.untold {
                last_words.push(s.event());
            }
            !over
        });
        last_words.into_iter().for_each(|event| self.send(event, true));
    }
    /// Writes the series that go on.
    fn refresh(&self) {
        let mut untold = Vec::new();
        for s in self.series.borrow_mut().values_mut().filter(|s| s.untold) {
            s.untold = false;
            untold.push(s.event());
        }
        untold.into_iter().for_each(|event| self.send(event, true));
    }
}

async fn post(client: &Client, posting: Posting) {
    let event = posting.event;
    if posting.again {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let name = event.metadata.name.clone().unwrap_or_default();
        let set = |stored: &mut Event| stored.series = event.series.clone();
        match client.patch::<Event>(&namespace, &name, "", set).await {
            Err(e) if e.is_not_found() => {}
            _ => return,
        }
    }
    // Upstream tries again a dozen times while the api-server can't be reached.
    let mut event = Some(event);
    for _ in 0..12 {
        match client.create_held(&mut event).await {
            Err(e) if e.status().is_none() => client.sim().sleep(Duration::from_secs(10)).await,
            _ => return,
        }
    }
}
