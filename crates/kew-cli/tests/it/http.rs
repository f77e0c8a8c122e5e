//! Requests as a client of the API makes them.

use serde_json::Value;
use ureq::Agent;

/// An answer: the status and the envelope.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: Value,
}

impl Answer {
    /// The envelope's result.
    pub(crate) fn result(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        &self.body["result"]
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> i64 {
        self.body["errors"][0]["code"].as_i64().unwrap_or_else(|| panic!("an error: {}", self.body))
    }
}

/// Asks with a header or several; a body makes it a POST.
pub(crate) fn ask(url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let answer = match body {
        Some(body) => {
            let request = agent.post(url);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send(body)
        }
        None => {
            let request = agent.get(url);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).call()
        }
    };
    let mut answer = answer.expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("JSON: {text}"));
    Answer { status: answer.status().as_u16(), body }
}

/// Posts to an endpoint of a queue's messages with a Bearer token.
pub(crate) fn messages(base: &str, token: &str, place: (&str, &str), verb: &str, body: &str) -> Answer {
    let (account, queue) = place;
    let url = format!("{base}/client/v4/accounts/{account}/queues/{queue}/messages{verb}");
    ask(&url, &[("authorization", &format!("Bearer {token}"))], Some(body))
}
