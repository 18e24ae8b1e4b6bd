//! Stories told through the page's own controls, in a real Chromium. Run by `cargo xtask test --only browser`.

use podarium_core::session::{ClusterConfig, Session};
use podarium_tests::browser::{Page, Result, Theme, Viewport, story};
use podarium_tests::tank;
use serde_json::json;

/// Waits until the control plane and three workers are Ready.
async fn booted(page: &Page) -> Result {
    page.wait_for_text("summary", "3 nodes, 0 pods, all well").await
}

#[tokio::test]
async fn the_seeds_story() -> Result {
    story("seeds", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        // The ReplicationController of the seeds runs.
        page.click("chip-replicationcontroller").await?;
        page.click("editor-apply").await?;
        page.wait_for_text("editor-result", "replicationcontroller/myapp-rc created").await?;
        page.click("speed-10x").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods, all well").await?;
        // The ReplicaSet of the seeds is refused in upstream's words, and mended.
        page.click("example-replicaset").await?;
        page.click("editor-apply").await?;
        page.wait_for_text(
            "editor-message",
            "The ReplicaSet \"myapp-rs\" is invalid: spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
        )
        .await?;
        page.click("editor-mend").await?;
        page.click("editor-apply").await?;
        page.wait_for_text("editor-result", "replicaset.apps/myapp-rs created").await?;
        page.wait_for_text("summary", "3 nodes, 6 pods, all well").await?;
        // A worker loses its power: silence, NotReady, eviction after 300 s, replacements.
        page.click("node-worker-1").await?;
        page.click("action-power-off").await?;
        page.wait_for_text("inspector-state", "switched off").await?;
        page.click("speed-100x").await?;
        page.wait_for_text("inspector", "NodeStatusUnknown: Kubelet stopped posting node status.").await?;
        page.wait_for_text("inspector", "node.kubernetes.io/unreachable:NoExecute").await?;
        page.click("action-power-on").await?;
        page.wait_for_text("inspector-state", "Ready").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_answers_over_http_and_logs_it() -> Result {
    story("open", Viewport::DESKTOP, Theme::Dark, async |page| {
        booted(page).await?;
        page.click("chip-replicationcontroller").await?;
        page.click("editor-apply").await?;
        page.click("speed-10x").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods, all well").await?;
        page.wait_for_js("document.querySelector('[data-testid^=\"pod-myapp-rc-\"]') !== null").await?;
        let _: bool =
            page.evaluate("(document.querySelector('[data-testid^=\"pod-myapp-rc-\"]').click(), true)").await?;
        page.wait_for_text("inspector-state", "Running").await?;
        page.click("open-page").await?;
        page.wait_for_text("visited", "answered 200").await?;
        page.click("inspector-tab-logs").await?;
        page.wait_for_text("inspector-logs", "GET / HTTP/1.1").await
    })
    .await
}

#[tokio::test]
async fn the_page_fits_a_phone_and_a_reload_brings_the_cluster_back() -> Result {
    story("phone", Viewport::PHONE, Theme::Dark, async |page| {
        booted(page).await?;
        let phone: bool =
            page.evaluate("innerWidth === 390 && matchMedia('(prefers-color-scheme: dark)').matches").await?;
        assert!(phone);
        let fits: bool = page.evaluate("document.documentElement.scrollWidth <= innerWidth").await?;
        assert!(fits, "the page is wider than the phone");
        page.click("add-node").await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await?;
        page.reload().await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await
    })
    .await
}

/// Presses a control as soon as it is there.
const EARLY: &str = "
new MutationObserver((_, watch) => {
  const control = document.querySelector('[data-testid=speed-max]');
  if (control) { watch.disconnect(); control.click(); }
}).observe(document, { childList: true, subtree: true });
";

#[tokio::test]
async fn what_is_asked_before_there_is_a_cluster_is_done() -> Result {
    story("early", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": EARLY })).await?;
        page.reload().await?;
        page.wait_for_text("summary", "3 nodes, 0 pods, all well").await?;
        page.wait_for_text("pace", "running at").await
    })
    .await
}

/// Keeps the page from its code, and so from listening, until the worker has spoken.
const LATE: &str = "
let spoken;
const first = new Promise((resolve) => { spoken = resolve; });
const Plain = Worker;
globalThis.Worker = class extends Plain {
  constructor(...about) {
    super(...about);
    this.addEventListener('message', spoken, { once: true });
  }
};
const compile = WebAssembly.compileStreaming;
WebAssembly.compileStreaming = async (source) => {
  const response = await source;
  if (response.url.endsWith('/app_bg.wasm')) await first;
  return compile(response);
};
";

#[tokio::test]
async fn what_the_worker_says_before_the_page_listens_is_heard() -> Result {
    story("late", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": LATE })).await?;
        page.reload().await?;
        page.wait_for_text("summary", "3 nodes, 0 pods, all well").await
    })
    .await
}

/// The seeds' ReplicationController runs: three pods, all well.
async fn three_pods(page: &Page) -> Result {
    booted(page).await?;
    page.click("chip-replicationcontroller").await?;
    page.click("editor-apply").await?;
    page.click("speed-10x").await?;
    page.wait_for_text("summary", "3 nodes, 3 pods, all well").await?;
    page.click("editor-close").await
}

/// Picks the first pod of the seeds' controller; its name.
async fn pick_a_pod(page: &Page) -> Result<String> {
    page.wait_for_js("document.querySelector('[data-testid^=\"pod-myapp-rc-\"]') !== null").await?;
    let name: String = page
        .evaluate(
            "(e => (e.click(), e.dataset.testid.slice(4)))(document.querySelector('[data-testid^=\"pod-myapp-rc-\"]'))",
        )
        .await?;
    page.wait_for_text("inspector-title", &name).await?;
    Ok(name)
}

/// Presses a key, as a person does, wherever the focus is.
async fn press(page: &Page, key: &str) -> Result {
    let code = match key {
        "Tab" => 9,
        "Enter" => 13,
        "Escape" => 27,
        "ArrowUp" => 38,
        "ArrowRight" => 39,
        "ArrowDown" => 40,
        _ => 0,
    };
    let text = if key == "Enter" {
        "\r"
    } else if key.chars().count() == 1 {
        key
    } else {
        ""
    };
    for kind in ["keyDown", "keyUp"] {
        let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code });
        if kind == "keyDown" && !text.is_empty() {
            event["text"] = json!(text);
        }
        page.devtools("Input.dispatchKeyEvent", event).await?;
    }
    Ok(())
}

/// The `data-testid` of what has the focus.
async fn focused(page: &Page) -> Result<String> {
    page.evaluate("document.activeElement?.dataset.testid ?? ''").await
}

#[tokio::test]
async fn a_pod_tells_all_about_itself() -> Result {
    story("pod", Viewport::DESKTOP, Theme::Light, async |page| {
        three_pods(page).await?;
        let name = pick_a_pod(page).await?;
        page.wait_for_text("inspector", "Phase\nRunning").await?;
        page.wait_for_text("inspector-conditions", "ContainersReady").await?;
        page.wait_for_text("inspector", "10.244.").await?;
        page.wait_for_text("inspector", "worker-").await?;
        page.click("inspector-tab-why").await?;
        page.wait_for_text("decision", "was chosen among 4 nodes").await?;
        page.wait_for_text("decision", "TaintToleration").await?;
        page.wait_for_text("inspector-why", "because").await?;
        page.click("inspector-tab-events").await?;
        page.wait_for_text("inspector-events", &format!("Successfully assigned default/{name} to worker-")).await?;
        page.click("inspector-tab-yaml").await?;
        page.wait_for_text("inspector-yaml", "kind: Pod").await?;
        page.click("inspector-tab-logs").await?;
        page.wait_for_text("inspector-logs", "nginx").await?;
        // A killed container is restarted; a deleted pod is replaced.
        page.click("inspector-tab-summary").await?;
        page.click("action-kill-container").await?;
        page.wait_for_text("inspector", "1 restart").await?;
        page.click("action-delete-pod").await?;
        page.wait_for_text("notice", &format!("pod \"{name}\" deleted")).await?;
        page.wait_for_text("inspector-gone", "It is gone").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods, all well").await
    })
    .await
}

#[tokio::test]
async fn silence_is_counted_down_and_ends() -> Result {
    story("silence", Viewport::DESKTOP, Theme::Dark, async |page| {
        three_pods(page).await?;
        page.click("node-worker-2").await?;
        for (break_it, mend_it) in [("action-stop-kubelet", "action-start-kubelet"), ("action-unplug", "action-plug")] {
            page.click("speed-10x").await?;
            page.click(break_it).await?;
            page.wait_for_text("inspector-next", "worker-2 has been silent for").await?;
            page.wait_for_text("inspector-next", "at 50 s the node controller will call it NotReady.").await?;
            page.wait_for_text("inspector-taints", "unreachable:NoExecute").await?;
            page.wait_for_text("inspector-next", "taint eviction deletes it").await?;
            page.wait_for_text("summary", "1 pod on lost nodes").await?;
            page.click(mend_it).await?;
            page.click("speed-100x").await?;
            page.wait_for_text("summary", "3 nodes, 3 pods, all well").await?;
        }
        // A deleted Node object comes back with its kubelet's start.
        page.click("action-delete-node").await?;
        page.wait_for_text("notice", "node \"worker-2\" deleted").await?;
        page.wait_for_text("inspector-state", "Node object deleted").await?;
        page.click("action-stop-kubelet").await?;
        page.click("action-start-kubelet").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods, all well").await
    })
    .await
}

#[tokio::test]
async fn time_obeys() -> Result {
    story("time", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        page.click("speed-pause").await?;
        page.wait_for_text("pace", "paused").await?;
        let first = page.text("clock").await?;
        // Events may share an instant, or a millisecond: the clock moves with one of the next few, and not far.
        page.until("the clock to go on, event by event", async || {
            page.click("step-event").await?;
            let now = page.text("clock").await?;
            Ok((now != first).then_some(()))
        })
        .await?;
        let minute = |clock: &str| clock.rsplit_once(':').map(|(before, _)| before.to_owned());
        assert_eq!(minute(&page.text("clock").await?), minute(&first));
        // What waits for time is told, and no time passes by itself.
        page.click("add-node").await?;
        let stands = page.text("clock").await?;
        page.click("toggle-terminal").await?;
        page.fill("terminal-input", "kubectl get nodes").await?;
        press(page, "Enter").await?;
        page.wait_for_text("pace", "1 command waits").await?;
        assert_eq!(page.text("clock").await?, stands);
        page.click("skip-change").await?;
        page.until("a skip to move the clock", async || Ok((page.text("clock").await? != stands).then_some(())))
            .await?;
        page.click("speed-max").await?;
        page.wait_for_text("pace", "running at").await?;
        page.click("speed-100x").await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await?;
        // A cluster that stands comes back standing, at the same moment.
        page.click("speed-pause").await?;
        page.wait_for_text("pace", "paused").await?;
        let stands = page.text("clock").await?;
        page.reload().await?;
        page.wait_for_text("clock", &stands).await?;
        page.wait_for_text("pace", "paused").await?;
        // So does what was typed, with what it said.
        page.wait_for_text("terminal-output", "$ kubectl get nodes").await?;
        page.wait_for_text("terminal-output", "worker-3").await
    })
    .await
}

#[tokio::test]
async fn the_control_plane_can_be_stopped_part_by_part() -> Result {
    story("parts", Viewport::DESKTOP, Theme::Light, async |page| {
        three_pods(page).await?;
        page.click("speed-100x").await?;
        // Without a scheduler new pods stay Pending.
        page.click("part-kube-scheduler").await?;
        page.click("action-stop-part").await?;
        page.wait_for_text("inspector-state", "stopped").await?;
        page.click("workload-myapp-rc").await?;
        page.click("action-scale-up").await?;
        page.wait_for_text("summary", "1 pod waiting for a node").await?;
        page.click("part-kube-scheduler").await?;
        page.click("action-start-part").await?;
        page.wait_for_text("summary", "3 nodes, 4 pods, all well").await?;
        // Without a controller-manager nothing heals.
        page.click("part-kube-controller-manager").await?;
        page.click("action-stop-part").await?;
        page.wait_for_text("inspector-state", "stopped").await?;
        pick_a_pod(page).await?;
        page.click("action-delete-pod").await?;
        page.wait_for_text("summary", "3 nodes, 3 pods; kube-controller-manager is stopped").await?;
        page.click("part-kube-controller-manager").await?;
        page.click("action-start-part").await?;
        page.wait_for_text("summary", "3 nodes, 4 pods, all well").await?;
        // Without an api-server kubectl is refused.
        page.click("part-kube-apiserver").await?;
        page.click("action-stop-part").await?;
        page.wait_for_text("inspector-state", "stopped").await?;
        page.click("toggle-terminal").await?;
        page.fill("terminal-input", "kubectl get pods").await?;
        press(page, "Enter").await?;
        page.wait_for_text("terminal-output", "refused").await?;
        page.click("action-start-part").await?;
        page.wait_for_text("summary", "3 nodes, 4 pods, all well").await?;
        // What is killed is started again by its kubelet.
        page.click("part-etcd").await?;
        page.wait_for_text("inspector", "1 time").await?;
        page.click("action-kill-part").await?;
        page.wait_for_text("inspector", "2 times").await?;
        page.wait_for_text("summary", "3 nodes, 4 pods, all well").await
    })
    .await
}

#[tokio::test]
async fn nodes_and_workloads_grow_and_shrink() -> Result {
    story("scale", Viewport::DESKTOP, Theme::Dark, async |page| {
        three_pods(page).await?;
        page.click("workload-myapp-rc").await?;
        page.click("action-scale-up").await?;
        page.wait_for_text("notice", "replicationcontroller/myapp-rc scaled").await?;
        page.wait_for_text("summary", "3 nodes, 4 pods, all well").await?;
        page.fill("scale-input", "6").await?;
        page.click("action-scale").await?;
        page.wait_for_text("summary", "3 nodes, 6 pods, all well").await?;
        page.click("add-node").await?;
        page.wait_for_text("summary", "4 nodes, 6 pods, all well").await?;
        page.click("node-worker-1").await?;
        page.click("action-cordon").await?;
        page.wait_for_text("inspector-state", "Ready, cordoned").await?;
        page.click("action-drain").await?;
        page.wait_for_text("notice", "node/worker-1 drained").await?;
        // Its kube-proxy stays.
        page.wait_for_text("inspector", "1 of 110").await?;
        page.click("action-uncordon").await?;
        page.wait_for_text("notice", "node/worker-1 uncordoned").await?;
        page.wait_for_text("summary", "4 nodes, 6 pods, all well").await
    })
    .await
}

/// Whether the canvas is as large as the glass, and something is drawn in the middle of each of many nodes.
const DRAWN: &str = "(() => {
  const canvas = document.querySelector('[data-testid=tank-canvas]');
  const ratio = canvas.width / canvas.clientWidth;
  const nodes = [...document.querySelectorAll('.hold[data-testid^=node-worker]')];
  const middle = (n) => [(n.offsetLeft + n.offsetWidth / 2) * ratio, (n.offsetTop + n.offsetHeight / 2) * ratio];
  const alpha = (at) => canvas.getContext('2d').getImageData(...at, 1, 1).data[3];
  const glass = canvas.parentElement;
  return canvas.clientWidth === glass.clientWidth && canvas.clientHeight === glass.clientHeight
    && nodes.length >= 150 && nodes.every((n) => alpha(middle(n)) > 0);
})()";

#[tokio::test]
async fn a_large_cluster_is_drawn_whole() -> Result {
    story("large", Viewport::DESKTOP, Theme::Light, async |page| {
        let session = Session::new(ClusterConfig { workers: 200, ..ClusterConfig::default() }).to_json();
        let share = format!("(location.hash = 'session=' + encodeURIComponent({}), true)", json!(session));
        page.evaluate::<bool>(&share).await?;
        page.reload().await?;
        page.click("speed-max").await?;
        page.wait_for_text("summary", "200 nodes, 0 pods, all well").await?;
        page.wait_for_js(DRAWN).await?;
        // The glass gets another size, twice.
        page.click("toggle-editor").await?;
        page.wait_for_js(DRAWN).await?;
        page.click("toggle-editor").await?;
        page.wait_for_js(DRAWN).await
    })
    .await
}

#[tokio::test]
async fn the_prompt_completes_and_remembers() -> Result {
    story("prompt", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        page.click("toggle-terminal").await?;
        page.fill("terminal-input", "kubectl describe node worker-").await?;
        press(page, "Tab").await?;
        page.wait_for_text("terminal-completions", "worker-3").await?;
        page.fill("terminal-input", "kubectl get no").await?;
        press(page, "Tab").await?;
        page.wait_for_js("document.querySelector('[data-testid=terminal-input]').value === 'kubectl get nodes '")
            .await?;
        press(page, "Enter").await?;
        page.wait_for_text("terminal-output", "control-plane").await?;
        press(page, "ArrowUp").await?;
        page.wait_for_js("document.querySelector('[data-testid=terminal-input]').value === 'kubectl get nodes'").await
    })
    .await
}

#[tokio::test]
async fn a_shell_in_a_container_is_typed_to() -> Result {
    story("exec", Viewport::DESKTOP, Theme::Dark, async |page| {
        let type_line = async |line: &str| {
            page.fill("terminal-input", line).await?;
            press(page, "Enter").await
        };
        let prompt = async |wanted: &str| {
            let shown = "document.querySelector('[data-testid=terminal-prompt]').textContent";
            page.wait_for_js(&format!("{shown} === {}", json!(wanted))).await
        };
        booted(page).await?;
        page.click("toggle-terminal").await?;
        prompt("$ ").await?;
        type_line("kubectl run box --image=busybox -- sleep infinity").await?;
        page.wait_for_text("summary", "3 nodes, 1 pod, all well").await?;
        type_line("kubectl exec -it box -- sh").await?;
        prompt("/ # ").await?;
        type_line("echo $HOSTNAME is $((40 + 2))").await?;
        page.wait_for_text("terminal-output", "box is 42").await?;
        type_line("cd /etc").await?;
        prompt("/etc # ").await?;
        type_line("exit 3").await?;
        page.wait_for_text("terminal-output", "command terminated with exit code 3").await?;
        prompt("$ ").await
    })
    .await
}

#[tokio::test]
async fn keys_alone_are_enough() -> Result {
    story("keys", Viewport::DESKTOP, Theme::Dark, async |page| {
        booted(page).await?;
        press(page, "?").await?;
        page.find("keys").await?;
        press(page, "Escape").await?;
        // The Tab key comes to the tank, the arrow keys go about in it.
        for _ in 0..20 {
            press(page, "Tab").await?;
            if focused(page).await?.starts_with("node-") {
                break;
            }
        }
        assert_eq!(focused(page).await?, "node-control-plane");
        press(page, "ArrowDown").await?;
        assert!(focused(page).await?.starts_with("part-"), "{}", focused(page).await?);
        press(page, "ArrowDown").await?;
        assert!(focused(page).await?.starts_with("node-worker-"), "{}", focused(page).await?);
        let ring: bool = page
            .evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2")
            .await?;
        assert!(ring, "the focus can't be seen");
        press(page, "Enter").await?;
        page.wait_for_text("inspector-title", "worker-").await?;
        press(page, "Escape").await?;
        // Everything that can be clicked has a name.
        let nameless: Vec<String> = page
            .evaluate("[...document.querySelectorAll('button')].filter(b => !(b.getAttribute('aria-label') || b.textContent).trim()).map(b => b.outerHTML)")
            .await?;
        assert_eq!(nameless, Vec::<String>::new());
        press(page, "e").await?;
        page.wait_for_js("document.activeElement.dataset.testid === 'editor'").await
    })
    .await
}

#[tokio::test]
async fn events_are_filtered_and_hostile_text_is_text() -> Result {
    story("hostile", Viewport::DESKTOP, Theme::Light, async |page| {
        booted(page).await?;
        page.click("toggle-editor").await?;
        let manifest = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: hostile\n  annotations:\n    x: \"<img src=x onerror=document.title=1>\"\nspec:\n  containers:\n  - name: c\n    image: \"<b>x</b>\"\n";
        page.fill("editor", manifest).await?;
        page.click("editor-apply").await?;
        page.click("speed-10x").await?;
        page.wait_for_text("summary", "in back-off").await?;
        page.click("toggle-feed").await?;
        page.wait_for_text("feed", "<b>x</b>").await?;
        page.click("feed-warnings").await?;
        page.fill("feed-filter", "InspectFailed").await?;
        page.wait_for_text("event", "InspectFailed").await?;
        page.fill("feed-filter", "no such thing").await?;
        page.wait_for_text("feed", "None of").await?;
        page.click("pod-hostile").await?;
        page.click("inspector-tab-yaml").await?;
        page.wait_for_text("inspector-yaml", "<img src=x").await?;
        let clean: bool =
            page.evaluate("document.title === 'Podarium' && !document.querySelector('b, img')").await?;
        assert!(clean, "text became elements");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_worker_that_stopped_is_told_and_survived() -> Result {
    story("broken", Viewport::PHONE, Theme::Light, async |page| {
        booted(page).await?;
        page.click("add-node").await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await?;
        let _: bool = page
            .evaluate("document.dispatchEvent(new CustomEvent('podarium-broken', { detail: 'out of memory' }))")
            .await?;
        page.wait_for_text("broken", "The cluster's worker has stopped").await?;
        page.click("reload").await?;
        page.wait_for_text("summary", "4 nodes, 0 pods, all well").await?;
        assert!(page.find_all("broken").await?.is_empty());
        Ok(())
    })
    .await
}

/// The session that the page exported, and the trace of what followed.
#[derive(serde::Deserialize)]
struct Exported {
    session: String,
    trace: String,
}

#[tokio::test]
async fn the_trace_is_the_same_natively_byte_by_byte() -> Result {
    story("trace", Viewport::DESKTOP, Theme::Light, async |page| {
        three_pods(page).await?;
        // Traffic, a node's death, the recovery.
        pick_a_pod(page).await?;
        page.wait_for_text("inspector-state", "Running").await?;
        page.click("open-page").await?;
        page.wait_for_text("visited", "answered 200").await?;
        page.click("node-worker-1").await?;
        page.click("action-power-off").await?;
        page.click("speed-100x").await?;
        page.wait_for_text("inspector", "node.kubernetes.io/unreachable:NoExecute").await?;
        page.click("action-power-on").await?;
        page.wait_for_text("inspector-state", "Ready").await?;
        page.click("speed-pause").await?;
        page.click("show-keys").await?;
        page.click("export").await?;
        page.find("export-file").await?;
        let file = "fetch(document.querySelector('[data-testid=export-file]').href).then((r) => r.json())";
        let there: Exported = page.evaluate(file).await?;
        let session = Session::from_json(&there.session)?;
        assert!(session.inputs.len() >= 4, "{} inputs", session.inputs.len());

        let again = tank::replay(&session);
        assert_eq!(again.now(), session.until);
        let here = again.sim().trace().to_text();
        assert!(here.lines().count() > 1_000, "a trace of {} lines", here.lines().count());
        let differs = here.lines().zip(there.trace.lines()).find(|(h, t)| h != t);
        assert_eq!(differs, None, "natively, and in the browser");
        assert_eq!(here, there.trace);
        Ok(())
    })
    .await
}
