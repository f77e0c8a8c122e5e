//! What whoever meets an error can do about it: a column of `docs/errors.md`.

use super::Kind;

impl Kind {
    /// What to do, in a sentence or two.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::ConnectionMalformed => {
                "Send HTTP/1.1, with CRLF at the ends of lines and one length for the body; to a server with TLS, `https://`."
            }
            Self::HeadersTooLarge => "Send fewer or shorter headers: cookies are not needed here.",
            Self::HeadersMalformed => {
                "Look at the chain: it says which header. Send `Authorization: Bearer <token>`, or `X-Auth-Email` and `X-Auth-Key`."
            }
            Self::KeyFormat => {
                "Use a key that `kew token create --email` has printed, unchanged: 37 characters."
            }
            Self::AuthorizationFormat => "Write `Authorization: Bearer <token>`, once, with one space.",
            Self::NoRoute | Self::RouteUnknown => {
                "Compare the path with [compat.md](compat.md). A base URL ends in `/client/v4`, and an account id has 32 hexadecimal digits."
            }
            Self::Unauthenticated => {
                "Check the token: is it whole, not expired, not revoked, and of this server? `kew token create` makes another."
            }
            Self::Forbidden => {
                "Use a token with the right that the text names, for this account and this queue (`kew token create --scope`)."
            }
            Self::BodyInvalid | Self::QueryInvalid => {
                "Correct the field that the text names; it says the limits, too."
            }
            Self::QueueIdUnknown | Self::QueueNotFound => {
                "Look up the id (`kew queues list`): is it of this account, and may the token see this queue?"
            }
            Self::QueueIdMalformed => {
                "Paths take the queue's id, not its name: `kew queues list` shows both."
            }
            Self::BatchDelayInvalid => "Set the batch's `delay_seconds` to 0–86400, or leave it out.",
            Self::MessageMetadataInvalid => {
                "Set the message's `content_type` to `text`, `json` or `bytes` and its `delay_seconds` to 0–86400, or leave them out."
            }
            Self::MessageTooLarge => {
                "Keep a message's body within 127,900 bytes; put larger contents elsewhere and send a reference."
            }
            Self::BatchTooLarge => "Send fewer messages at a time: each counts for its body and 100 bytes.",
            Self::BatchCount => "Send 1 to 100 messages at a time.",
            Self::JsonInvalid => {
                "Send an object with the fields of the call: see [openapi.json](openapi.json)."
            }
            Self::JsonMalformed => "Send JSON in UTF-8; look at the place that the text names.",
            Self::Overloaded => "Wait as long as `retry-after` says and try again; SDKs do by themselves.",
            Self::Throttled => {
                "Wait as long as `retry-after` says, and ask less often; the token's rate is a setting of the server."
            }
            Self::TooManyFailures => {
                "Stop sending the wrong credential, and wait as long as `retry-after` says."
            }
            Self::StorageFull => {
                "Free space on the volume, or take messages: pulls and acks still work. Pushes can be tried again."
            }
            Self::QueuePaused => {
                "Resume the queue (`kew queues resume`), or pull later. Nothing is lost meanwhile."
            }
            Self::NotReady => {
                "Ask another server: this one is about to stop, or its store has failed (see its log)."
            }
            Self::Unavailable => {
                "Try again as `retry-after` says: the server is about to stop, or not there yet."
            }
            Self::QueueNameInvalid => {
                "Use 1 to 63 lowercase letters, digits and hyphens, no hyphen first or last."
            }
            Self::ConsumerExists => {
                "Change the consumer that is there by its id (`kew consumers update`), or remove it first."
            }
            Self::ConsumerNotFound => {
                "Look up the consumer's id (`kew consumers list`); a queue has one or none."
            }
            Self::QueueNameTaken => "Use the queue that is there, or another name.",
            Self::InternalError => {
                "Look for the request's `x-request-id` in the server's log, and report it."
            }
            Self::PullNotEnabled | Self::PullConsumerMissing => {
                "Attach a consumer of type `http_pull`: `kew consumers add`."
            }
            Self::JurisdictionFixed => "Leave `jurisdiction` out, or make another queue.",
            Self::OutcomeUnknown => {
                "Look at the server's log and disk, and start it again. Repeat a push under an `Idempotency-Key`, so that it cannot count twice."
            }
            Self::RequestTimedOut => {
                "Try again; a push under an `Idempotency-Key`, so that it cannot count twice. If it stays slow, look at the disk."
            }
            Self::BodyTimedOut => "Send the body within ten seconds of the headers.",
            Self::BodyTooLarge => "Keep a body within 1 MiB.",
            Self::MethodNotAllowed => "Use a method that the header `allow` names.",
            Self::BodyUnreadable => {
                "Send as many bytes as `content-length` says, or whole chunks; then try again."
            }
            Self::LimitReached => "Delete what is not needed any more, or use another account.",
            Self::AccountNotFound => "Look up the id: `kew account list`.",
            Self::TokenNotFound => "Look up the id: `kew token list`. One that was revoked is gone.",
            Self::IdTaken => "Choose another id, or leave it out.",
            Self::IdempotencyMismatch => "Use a new key for a new request; repeat an old one byte by byte.",
            Self::RedriveCycle => {
                "Name another destination, or none: then each message goes back to where it came from."
            }
            Self::DestinationNotFound => {
                "Name a queue of this account that the token may see (`kew queues list`)."
            }
            Self::SubscriptionNotFound => {
                "List the subscriptions: is it of this account, and its queue one that the token may see?"
            }
            Self::SubscriptionExists => "Change or delete the subscription to this resource that is there.",
            Self::EventsUnknown => "Use events that the text names for this source.",
            Self::IdempotencyKeyInvalid => {
                "Send one header `Idempotency-Key` of 1 to 255 visible ASCII characters."
            }
            Self::BackupsOff => "Start the server with `--backup-folder DIR`.",
            Self::BackupRunning => "Wait until it is done: `GET /kew/v1/backups` tells how far it is.",
            Self::BackupNotFound => "Begin one: `kew backup`.",
            Self::ConsumerSettings | Self::QueueSettings => {
                "Correct the setting that the text names; it says the range, too."
            }
        }
    }
}
