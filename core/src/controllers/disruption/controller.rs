//! What wakes the controller, and a sync. Models `pkg/controller/disruption/disruption.go`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::scale::Finders;
use crate::api::labels::Selector;
use crate::client::{
    Client, ClientError, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key,
    split_key,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::selector::print_selector;
use crate::controllers::util::worker::{SyncError, SyncResult, run_workers};
use crate::controllers::util::{name, namespace, pods, time};
use crate::registry::pod_disruption_budget::{DISRUPTION_ALLOWED, disruption_allowed, set_disruption_allowed};

/// An eviction that the api-server counted is waited for so long.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);

/// What a sync costs the real controller beside its requests; events that come meanwhile are taken together by the next one.
const SYNC_COST: Duration = Duration::from_micros(200);
const SYNC_COST_PER_POD: Duration = Duration::from_micros(2);

/// The controller. Clones share everything.
#[derive(Clone)]
pub(super) struct DisruptionController {
    pub client: Client,
    recorder: EventRecorder,
    budgets: Informer<PodDisruptionBudget>,
    pub pods: Informer<Pod>,
    finders: Finders,
    queue: WorkQueue<Rc<str>>,
    pub stale: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("disruption-controller");
    let queue = || WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c = DisruptionController {
        recorder: ctx.recorder(&client, "controllermanager"),
        budgets: ctx.informer(),
        pods: ctx.informer(),
        finders: Finders::new(ctx, &client),
        queue: queue(),
        stale: queue(),
        client,
    };
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.pods.wait_synced().await;
        c.budgets.wait_synced().await;
        c.finders.wait_synced().await;
        let worker = c.clone();
        run_workers(&ctx, &c.queue, 1, move |key| {
            let c = worker.clone();
            async move { c.sync(&key).await }
        });
        let worker = c.clone();
        run_workers(&ctx, &c.stale, 1, move |key| {
            let c = worker.clone();
            async move { c.sync_stale(&key).await }
        });
    });
}

fn selector(budget: &PodDisruptionBudget) -> Result<Selector, String> {
    Selector::from_label_selector(budget.spec.as_ref().and_then(|s| s.selector.as_ref()))
}

/// A number, or a share of `total` rounded up.
fn scaled(v: &IntOrString, total: i64) -> Result<i64, SyncError> {
    match v {
        IntOrString::Int(n) => Ok(i64::from(*n)),
        IntOrString::String(s) => match s.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()) {
            Some(percent) => Ok(percent.saturating_mul(total).saturating_add(99).div_euclid(100)),
            None => Err(SyncError::message(format!(
                "invalid value for IntOrString: invalid type: string is not a percentage: {s:?}"
            ))),
        },
    }
}

/// What a budget comes to.
struct Count {
    expected: i64,
    desired: i64,
    healthy: i64,
    /// Pods whose eviction was counted and is awaited.
    disrupted: BTreeMap<String, Time>,
}

impl DisruptionController {
    fn watch(&self) {
        let c = self.clone();
        self.budgets.on_event(move |e| match e {
            InformerEvent::Added(b) | InformerEvent::Updated { new: b, .. } | InformerEvent::Deleted(b) => {
                c.queue.add(object_key(&b.metadata));
            }
        });
        let c = self.clone();
        self.pods.on_event(move |e| match e {
            InformerEvent::Added(p) | InformerEvent::Updated { new: p, .. } => {
                c.enqueue_budget_of(p);
                c.watch_for_stale(p);
            }
            InformerEvent::Deleted(p) => c.enqueue_budget_of(p),
        });
    }

    fn enqueue_budget_of(&self, pod: &Pod) {
        let matches = |b: &Rc<PodDisruptionBudget>| selector(b).is_ok_and(|s| s.matches_meta(&pod.metadata));
        let (ns, n) = (namespace(&pod.metadata), name(&pod.metadata));
        let mut found = self.budgets.list_namespace(ns).into_iter().filter(matches);
        let Some(budget) = found.next() else { return };
        if found.next().is_some() {
            let chosen = name(&budget.metadata);
            let message =
                format!("Pod {ns:?}/{n:?} matches multiple PodDisruptionBudgets.  Chose {chosen:?} arbitrarily.");
            self.recorder.event(pod, EventType::Warning, "MultiplePodDisruptionBudgets", &message);
        }
        self.queue.add(object_key(&budget.metadata));
    }

    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(budget) = self.budgets.get_named(ns, n) else { return Ok(()) };
        match self.try_sync(key, &budget).await {
            Ok(()) => Ok(()),
            Err(SyncError::Client(e)) if e.is_conflict() => Err(e.into()),
            Err(e) => Ok(self.fail_safe(&budget, &e).await?),
        }
    }

    async fn try_sync(&self, key: &Rc<str>, budget: &PodDisruptionBudget) -> SyncResult {
        let sim = self.client.sim();
        let selector = match selector(budget) {
            Ok(s) => s,
            Err(e) => {
                self.recorder.event(budget, EventType::Warning, "NoPods", &format!("Failed to get pods: {e}"));
                return Err(SyncError::message(e));
            }
        };
        let mut all = self.pods.list_namespace(namespace(&budget.metadata));
        all.retain(|p| selector.matches_meta(&p.metadata));
        sim.sleep(SYNC_COST + SYNC_COST_PER_POD * u32::try_from(all.len()).unwrap_or(u32::MAX)).await;
        if all.is_empty() {
            self.recorder.event(budget, EventType::Normal, "NoPods", "No matching pods found");
        }
        let (expected, desired) = match self.expected_pods(budget, &all).await {
            Ok(counts) => counts,
            Err(e) => {
                let message = format!("Failed to calculate the number of expected pods: {e}");
                self.recorder.event(budget, EventType::Warning, "CalculateExpectedPodCountFailed", &message);
                return Err(e);
            }
        };
        let (disrupted, recheck) = self.disrupted_pods(budget, &all);
        let healthy = |p: &&Rc<Pod>| {
            p.metadata.deletion_timestamp.is_none() && !disrupted.contains_key(name(&p.metadata)) && pods::is_ready(p)
        };
        let healthy = all.iter().filter(healthy).count() as i64;
        self.write_status(budget, Count { expected, desired, healthy, disrupted }).await?;
        if let Some(at) = recheck {
            self.queue.add_after(key.clone(), time::until(sim, at));
        }
        Ok(())
    }

    /// How many pods there should be, and how many of them healthy.
    async fn expected_pods(&self, budget: &PodDisruptionBudget, all: &[Rc<Pod>]) -> Result<(i64, i64), SyncError> {
        let spec = budget.spec.clone().unwrap_or_default();
        if let (None, Some(IntOrString::Int(n))) = (&spec.max_unavailable, &spec.min_available) {
            return Ok((all.len() as i64, i64::from(*n)));
        }
        if spec.max_unavailable.is_none() && spec.min_available.is_none() {
            return Ok((0, 0));
        }
        let (expected, unmanaged) = self.finders.expected_scale(all).await?;
        if !unmanaged.is_empty() {
            let message = format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
                print_selector(spec.selector.as_ref())
            );
            self.recorder.event(budget, EventType::Warning, "UnmanagedPods", &message);
        }
        let desired = match (&spec.max_unavailable, &spec.min_available) {
            (Some(max), _) => (expected - scaled(max, expected)?).max(0),
            (None, Some(min)) => scaled(min, expected)?,
            (None, None) => 0,
        };
        Ok((expected, desired))
    }

    /// The pods whose eviction is still awaited, and when to look again.
    fn disrupted_pods(
        &self,
        budget: &PodDisruptionBudget,
        all: &[Rc<Pod>],
    ) -> (BTreeMap<String, Time>, Option<jiff::Timestamp>) {
        let now = self.client.sim().timestamp();
        let mut result = BTreeMap::new();
        let mut recheck: Option<jiff::Timestamp> = None;
        let Some(disrupted) = budget.status.as_ref().and_then(|s| s.disrupted_pods.as_ref()) else {
            return (result, recheck);
        };
        for pod in all.iter().filter(|p| p.metadata.deletion_timestamp.is_none()) {
            let n = name(&pod.metadata);
            let Some(since) = disrupted.get(n) else { continue };
            let due = time::plus_seconds(since, DELETION_TIMEOUT.as_secs() as i64);
            if due < now {
                let ns = namespace(&budget.metadata);
                // The namespace twice is upstream's own slip.
                let message = format!("Pod was expected by PDB {ns}/{ns} to be deleted but it wasn't");
                self.recorder.event(&**pod, EventType::Warning, "NotDeleted", &message);
            } else {
                recheck = Some(recheck.map_or(due, |at| at.min(due)));
                result.insert(n.to_owned(), since.clone());
            }
        }
        (result, recheck)
    }

    async fn write_status(&self, budget: &PodDisruptionBudget, c: Count) -> Result<(), ClientError> {
        let old = budget.status.clone().unwrap_or_default();
        let n = |v: i64| Some(i32::try_from(v).unwrap_or(i32::MAX));
        let allowed = if c.expected <= 0 { 0 } else { (c.healthy - c.desired).max(0) };
        let mut new = PodDisruptionBudgetStatus {
            current_healthy: n(c.healthy),
            desired_healthy: n(c.desired),
            expected_pods: n(c.expected),
            disruptions_allowed: n(allowed),
            disrupted_pods: (!c.disrupted.is_empty()).then_some(c.disrupted),
            observed_generation: budget.metadata.generation,
            conditions: old.conditions.clone(),
        };
        set_disruption_allowed(&mut new, disruption_allowed(allowed as i32), "", &time::now(self.client.sim()));
        if new == old {
            return Ok(());
        }
        let mut changed = budget.clone();
        changed.status = Some(new);
        self.client.update_status(changed).await.map(|_| ())
    }

    /// Allows nothing while the budget can't be worked out.
    async fn fail_safe(&self, budget: &PodDisruptionBudget, why: &SyncError) -> Result<(), ClientError> {
        let mut changed = budget.clone();
        let status = changed.status.get_or_insert_default();
        status.disruptions_allowed = Some(0);
        set_disruption_allowed(status, ("False", "SyncFailed"), &why.to_string(), &time::now(self.client.sim()));
        let same = |s: &PodDisruptionBudgetStatus| {
            s.conditions.iter().flatten().find(|c| c.type_ == DISRUPTION_ALLOWED).cloned()
        };
        if budget.status.as_ref().is_some_and(|old| {
            old.disruptions_allowed == Some(0)
                && same(old).is_some()
                && same(old) == changed.status.as_ref().and_then(same)
        }) {
            return Ok(());
        }
        self.client.update_status(changed).await.map(|_| ())
    }
}
