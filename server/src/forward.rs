//! Connections to a pod's ports for clients outside. Models the kubelet's port-forward, which containerd carries out.

use bytes::Bytes;
use podarium_core::apiserver::KubeletCall;
use podarium_core::cluster::Cluster;
use podarium_core::kubelet::Kubelet;
use podarium_core::network::Stream;
use podarium_core::runtime::engine::NetError;
use podarium_core::sim::{Select, select};
use tokio::sync::oneshot;

use crate::pipe::{Inlet, Intake, Sink, Source, way_in, way_out};
use crate::tank::Tank;

/// Both ways of one connection to a port.
pub struct Connection {
    pub to_pod: Inlet<Bytes>,
    pub from_pod: Source<Bytes>,
    /// Comes when the connection stands, or cannot be had.
    opened: oneshot::Receiver<Result<(), String>>,
}

impl Connection {
    /// Waits until the connection stands; an error that says why it does not.
    pub async fn opened(&mut self) -> Result<(), String> {
        match (&mut self.opened).await {
            Ok(opened) => opened,
            Err(_) => Err("the cluster has ended".to_owned()),
        }
    }
}

/// Opens a connection to a port of the pod that a call is about.
pub async fn open(tank: &Tank, call: &KubeletCall, port: u16) -> Result<Connection, String> {
    let (way, call) = (tank.clone(), call.clone());
    let started = tank.ask(move |cluster| start(cluster, &way, call, port)).await;
    let mut connection = started.map_err(|gone| gone.to_string())?;
    connection.opened().await.map(|()| connection)
}

fn start(cluster: &Cluster, tank: &Tank, call: KubeletCall, port: u16) -> Connection {
    let (to_pod, intake) = way_in(cluster.sim(), tank);
    let (sink, from_pod) = way_out(cluster.sim(), tank);
    let (told, opened) = oneshot::channel();
    match cluster.dial_kubelet(&call.node) {
        Ok(kubelet) => cluster.spawn_outside(carry(kubelet, call, port, told, intake, sink)),
        Err(why) => {
            // The receiver is still in our hands.
            let _ = told.send(Err(format!("error dialing backend: {why}")));
        }
    }
    Connection { to_pod, from_pod, opened }
}

async fn carry(
    kubelet: Kubelet,
    call: KubeletCall,
    port: u16,
    told: oneshot::Sender<Result<(), String>>,
    mut intake: Intake<Bytes>,
    sink: Sink<Bytes>,
) {
    let stream = match dial(&kubelet, &call, port).await {
        Ok(stream) => stream,
        Err(why) => {
            // A client that has left need not be told.
            let _ = told.send(Err(why));
            return;
        }
    };
    if told.send(Ok(())).is_err() {
        return;
    }
    let mut sending = true;
    loop {
        let from_client = async {
            if !sending {
                std::future::pending::<()>().await;
            }
            intake.next().await
        };
        match select(stream.next(), select(from_client, sink.abandoned())).await {
            Select::First(Some(bytes)) => {
                if !sink.room().await {
                    return;
                }
                sink.push(Bytes::copy_from_slice(&bytes));
            }
            Select::Second(Select::First(Some(bytes))) => stream.send(&bytes),
            Select::Second(Select::First(None)) => {
                sending = false;
                stream.shut();
            }
            Select::First(None) | Select::Second(Select::Second(())) => return,
        }
    }
}

/// Connects within the pod; the error is as containerd words it.
async fn dial(kubelet: &Kubelet, call: &KubeletCall, port: u16) -> Result<Stream, String> {
    let failed = |why: String| format!("error forwarding port {port} to pod {}, uid : {why}", call.uid);
    let Some(ip) = kubelet.pod_address(&call.namespace, &call.pod) else {
        return Err(failed(format!("pod not found (\"{}_{}\")", call.pod, call.namespace)));
    };
    let runtime = kubelet.runtime();
    runtime.shims().network().open(runtime.machine(), (ip, port)).await.map_err(|e| {
        let why = match e {
            NetError::Refused => "connect: connection refused",
            NetError::TimedOut => "connect: connection timed out",
            NetError::Unreachable => "connect: no route to host",
        };
        failed(format!(
            "failed to execute portforward in network namespace \"/var/run/netns/cni-{}\": failed to connect to \
             localhost:{port} inside namespace \"{}\", IPv4: dial tcp4 127.0.0.1:{port}: {why} IPv6 dial tcp6: address \
             localhost: no suitable address found ",
            call.uid, call.uid
        ))
    })
}
