//! What the api-server passes on to kubelets: logs, processes, ports.

use podarium_core::api::status::Status;
use podarium_core::apiserver::KubeletCall;
use podarium_core::cluster::Cluster;
use podarium_core::kubelet::{LogError, LogOptions, LogReader};
use podarium_core::sim::{Select, select};

use crate::http::{Answer, AnswerBody};
use crate::pipe::{Sink, way_out};
use crate::tank::Tank;

/// A container's log, and what it writes from now on if that is asked for.
pub fn log(cluster: &Cluster, tank: &Tank, call: &KubeletCall) -> Result<Answer, Status> {
    let kubelet = cluster.dial_kubelet(&call.node).map_err(|why| {
        let path = format!("containerLogs/{}/{}/{}", call.namespace, call.pod, call.container);
        Status::other(500, "", format!("Get \"https://{}:10250/{path}\": {why}", call.node))
    })?;
    let options = LogOptions::of(call, cluster.sim().timestamp());
    let reader = kubelet.logs(&call.namespace, &call.pod, &call.container, &options).map_err(|e| match e {
        LogError::NotFound(why) => Status::other(404, "NotFound", why),
        LogError::BadRequest(why) => Status::bad_request(why),
    })?;
    let (sink, source) = way_out(cluster.sim(), tank);
    cluster.spawn_outside(carry(reader, sink));
    let headers = vec![("Content-Type".into(), "text/plain".to_owned())];
    Ok(Answer { code: 200, headers, body: AnswerBody::Stream(source) })
}

/// Carries a log to a client for as long as both are there.
async fn carry(mut log: LogReader, sink: Sink) {
    while sink.room().await {
        let Select::First(Some(text)) = select(log.next(), sink.abandoned()).await else { return };
        sink.push(text);
    }
}
