//! What the tests of several parts need: a caller that is a function, an SDK that speaks to a
//! part, functions that are closures.

use std::future::Future;
use std::sync::Arc;

use aws_credential_types::Credentials;
use axum::Router;
use bytes::Bytes;
use infra_model::{APP, Function};
use tokio::net::TcpListener;

use crate::aws_request::Callers;
use crate::event_source::Invoke;
use crate::flows::{Flows, Step, StepKind, TraceContext};
use crate::runtime::{Caller, InvokeError, Outcome};

/// The access key of the function that [`a_function`] knows.
pub(crate) const FUNCTION_KEY: &str = "ASIAFUNCTION";

/// A running invocation of this function, and the callers among which it is known.
pub(crate) fn a_function(name: &str, flows: &Flows) -> (Step, Callers) {
    known(APP.function(name).unwrap(), flows)
}

/// As [`a_function`], of any function.
pub(crate) fn known(function: &'static Function, flows: &Flows) -> (Step, Callers) {
    let name = function.name;
    let step = flows.begin(&TraceContext::new_root(), StepKind::Function, name);
    let caller = Caller { function, instance: "1".to_owned(), running: vec![step.context()] };
    (step, Arc::new(move |key: &str| (key == FUNCTION_KEY).then(|| caller.clone())))
}

/// Serves on a free port of this machine, and answers the address for an SDK.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

pub(crate) fn credentials(access_key_id: &str) -> Credentials {
    Credentials::new(access_key_id, "local", None, None, "test")
}

/// Functions that are a closure.
#[derive(Clone)]
pub(crate) struct Functions<F>(pub(crate) F);

impl<F, A> Invoke for Functions<F>
where
    F: Fn(serde_json::Value) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Bytes, InvokeError>> + Send,
{
    async fn run(&self, _function: &str, payload: Bytes, _traces: &[TraceContext]) -> Outcome {
        let event = serde_json::from_slice(&payload).unwrap();
        Outcome { request_id: "1".to_owned(), run: None, result: self.0(event).await }
    }

    fn log(&self, _function: &str, _request_id: &str) -> Vec<String> {
        vec![
            r#"{"message":"An event was not handled","event_id":"evt_1","reason":"out of stamps"}"#
                .to_owned(),
        ]
    }
}

/// An error of the function itself.
pub(crate) fn failure(message: &str) -> InvokeError {
    let (error_type, message) = ("Error".to_owned(), message.to_owned());
    InvokeError::Function { error_type, message, payload: Bytes::from_static(b"{}") }
}
