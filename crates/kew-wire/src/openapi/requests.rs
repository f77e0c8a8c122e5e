//! Every operation by its id: the vendor's where there is one (spec §2.0), else Kew's own.

use kew_model::{Jurisdiction, Limits};

use super::schema::{
    Schema, any_of, anything, asked, flag, id, list, matching, named, nothing, number, one_of, text, text_of,
};
use super::{Body, Described, results};
use crate::{access, consumers, messages, queues, redrive, subscriptions};

const QUEUE_NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

/// The longest texts that are names for people, in bytes.
const NAME_BYTES_MAX: usize = 255;

pub(super) fn describe(id: &str) -> Option<Described> {
    messages_call(id).or_else(|| queues_call(id)).or_else(|| others_call(id))
}

fn takes(summary: &'static str, body: Body, result: Schema) -> Described {
    Described { summary, query: Vec::new(), headers: Vec::new(), body, result, is_list: false }
}

fn shows(summary: &'static str, result: Schema) -> Described {
    takes(summary, Body::None, result)
}

fn lists(summary: &'static str, item: Schema) -> Described {
    Described { is_list: true, ..shows(summary, list(item, 0..=10_000)) }
}

fn messages_call(id: &str) -> Option<Described> {
    let once = || {
        vec![(
            "Idempotency-Key",
            matching("^[!-~]{1,255}$").that("Kew's own: carried out once within 15 minutes."),
        )]
    };
    Some(match id {
        "queues-push-message" => Described {
            headers: once(),
            ..takes("Publish a message", Body::Required(message()), results::pushed())
        },
        "queues-push-messages" => Described {
            headers: once(),
            ..takes("Publish a batch", Body::Required(batch()), results::pushed())
        },
        "queues-pull-messages" => {
            takes("Take messages under a lease", Body::Optional(pull()), results::pulled())
        }
        "queues-ack-messages" => takes("End leases", Body::Optional(settlement()), results::settled()),
        "queues-peek-messages" => takes("Look at messages", Body::Optional(peek()), results::peeked(false)),
        "queues-purge-messages" => {
            takes("Delete messages that were looked at", Body::Required(references()), results::discarded())
        }
        "queues-extend-messages" => takes("Prolong leases", Body::Required(extension()), results::extended()),
        "queues-preview-messages" => {
            takes("Look at messages, by the older name", Body::Optional(peek()), results::peeked(true))
        }
        "queues-ack-preview-messages" => takes(
            "Delete messages that were looked at, by the older name",
            Body::Optional(settlement()),
            results::settled(),
        ),
        "kew-redrive-messages" => {
            takes("Move dead letters back; Kew's own", Body::Optional(redriving()), results::redriven())
        }
        _ => return None,
    })
}

fn queues_call(id: &str) -> Option<Described> {
    let queue = || named("QueueView");
    let consumer = || named("ConsumerView");
    let with_name = || Body::Required(queue_object(&[("queue_name", matching(QUEUE_NAME))], &[]));
    let changed = || Body::Required(queue_object(&[], &[("queue_name", matching(QUEUE_NAME))]));
    Some(match id {
        "queues-list" => Described {
            query: paged([("name", text().that("Only queues named so; may be given several times."))]),
            ..lists("List queues", queue())
        },
        "queues-create" => takes("Create a queue", with_name(), queue()),
        "queues-get" => shows("Show a queue", queue()),
        "queues-update" => takes("Replace a queue's settings", changed(), queue()),
        "queues-update-partial" => takes("Change a queue", changed(), queue()),
        "queues-delete" => shows("Delete a queue with all in it", nothing()),
        "queues-get-metrics" => shows("Show a queue's backlog", named("MetricsView")),
        "queues-purge" => {
            takes("Delete all messages of a queue", Body::Optional(purge()), named("PurgedView"))
        }
        "queues-purge-get" => shows("Show the last purge", named("PurgeView")),
        "queues-list-consumers" => lists("List consumers", consumer()),
        "queues-create-consumer" => takes("Attach a consumer", Body::Required(new_consumer()), consumer()),
        "queues-get-consumer" => shows("Show a consumer", consumer()),
        "queues-update-consumer" => takes("Replace a consumer", Body::Required(new_consumer()), consumer()),
        "queues-delete-consumer" => shows("Detach a consumer", nothing()),
        _ => return None,
    })
}

fn others_call(id: &str) -> Option<Described> {
    let subscription = || named("SubscriptionView");
    Some(match id {
        "subscriptions-list" => Described {
            query: paged([
                ("order", one_of(&["created_at", "name", "enabled", "source"])),
                ("direction", one_of(&["asc", "desc"])),
                ("queue_id", text()),
            ]),
            ..lists("List event subscriptions", subscription())
        },
        "subscriptions-create" => {
            takes("Create an event subscription", Body::Required(new_subscription()), subscription())
        }
        "subscriptions-get" => shows("Show an event subscription", subscription()),
        "subscriptions-patch" => {
            takes("Change an event subscription", Body::Required(subscription_change()), subscription())
        }
        "subscriptions-delete" => shows("Delete an event subscription", subscription()),
        "user-token-verify" | "account-token-verify" => {
            shows("Say that a token is valid", named("VerifiedView"))
        }
        "user-get" => shows("Show the user that a token stands for", named("UserView")),
        "memberships-list" => lists("List the accounts that a token is a member of", named("MembershipView")),
        "accounts-list" => Described {
            query: paged([("name", text()), ("direction", one_of(&["asc", "desc"]))]),
            ..lists("List the caller's accounts", named("MemberAccountView"))
        },
        "accounts-get" => shows("Show the caller's account", named("MemberAccountView")),
        "kew-list-accounts" => lists("List the server's accounts", named("AccountView")),
        "kew-create-account" => {
            takes("Create an account", Body::Optional(new_account()), named("AccountView"))
        }
        "kew-list-tokens" => lists("List an account's tokens", named("TokenView")),
        "kew-create-token" => takes("Create a token", Body::Required(new_token()), named("TokenView")),
        "kew-revoke-token" => shows("Revoke a token", nothing()),
        "kew-start-backup" => shows("Begin a copy of the store", named("BackupView")),
        "kew-show-backup" => shows("Show the copy that was begun last", named("BackupView")),
        "kew-health" => shows("Say that the server answers", results::healthy()),
        "kew-ready" => shows("Say whether the server takes requests", results::ready()),
        _ => return None,
    })
}

fn paged<const N: usize>(more: [(&'static str, Schema); N]) -> Vec<(&'static str, Schema)> {
    let page = [("page", number(1..=1_000_000)), ("per_page", number(1..=10_000))];
    page.into_iter().chain(more).collect()
}

fn message() -> Schema {
    let delay = number(Limits::DELAY_SECONDS).that("How long to hold the message back, in seconds.");
    asked::<messages::push::Message<'_>>(
        &[("body", anything().that("With content_type text a string; with json any value."))],
        &[("content_type", one_of(&["text", "json", "bytes"])), ("delay_seconds", delay)],
    )
}

fn batch() -> Schema {
    asked::<messages::push::Batch<'_>>(
        &[("messages", list(message(), 1..=Limits::BATCH_MESSAGES_MAX))],
        &[("delay_seconds", number(Limits::DELAY_SECONDS))],
    )
}

fn pull() -> Schema {
    let wait =
        number(Limits::PULL_WAIT_MS).that("Kew's own: how long to wait for a message, in milliseconds.");
    asked::<messages::pull::Request<'_>>(
        &[],
        &[
            ("batch_size", number(Limits::PULL_BATCH)),
            ("visibility_timeout_ms", number(Limits::VISIBILITY_TIMEOUT_MS)),
            ("visibility_timeout", number(Limits::VISIBILITY_TIMEOUT_MS)),
            ("wait_time_ms", wait),
        ],
    )
}

fn settlement() -> Schema {
    let delay = number(Limits::DELAY_SECONDS).that("Of a retry: how long to hold the message, in seconds.");
    let entry = asked::<messages::settle::Entry<'_>>(&[("lease_id", text())], &[("delay_seconds", delay)]);
    let entries = || list(entry.clone(), 0..=Limits::SETTLE_ENTRIES_MAX);
    asked::<messages::settle::Request<'_>>(&[], &[("acks", entries()), ("retries", entries())])
}

fn peek() -> Schema {
    asked::<messages::peek::Request<'_>>(&[], &[("batch_size", number(Limits::PULL_BATCH))])
}

fn references() -> Schema {
    let entry = asked::<messages::references::Entry<'_>>(&[("ref", text())], &[]);
    asked::<messages::references::Request<'_>>(&[("refs", list(entry, 0..=Limits::SETTLE_ENTRIES_MAX))], &[])
}

fn extension() -> Schema {
    let entry = asked::<messages::extend::Entry<'_>>(&[("lease_id", text())], &[]);
    asked::<messages::extend::Request<'_>>(
        &[("extend", list(entry, 0..=Limits::SETTLE_ENTRIES_MAX))],
        &[
            ("visibility_timeout_ms", number(Limits::VISIBILITY_TIMEOUT_MS)),
            ("visibility_timeout", number(Limits::VISIBILITY_TIMEOUT_MS)),
        ],
    )
}

fn redriving() -> Schema {
    let to = text().that("Id or name of a queue; each message goes to the one it came from when absent.");
    let most = number(1..=u64::from(Limits::REDRIVE_BATCH_MAX));
    asked::<redrive::Request<'_>>(&[], &[("destination", to), ("batch_size", most)])
}

fn queue_object(required: &[(&str, Schema)], optional: &[(&str, Schema)]) -> Schema {
    let settings = asked::<queues::Settings<'_>>(
        &[],
        &[
            ("delivery_delay", number(Limits::DELAY_SECONDS)),
            ("delivery_paused", flag()),
            ("message_retention_period", number(Limits::RETENTION_SECONDS)),
        ],
    );
    let names = [Jurisdiction::Eu, Jurisdiction::Us, Jurisdiction::Fedramp].map(Jurisdiction::name);
    let more = [("jurisdiction", one_of(&names)), ("settings", settings)];
    let optional: Vec<_> = optional.iter().cloned().chain(more).collect();
    asked::<queues::Request<'_>>(required, &optional)
}

fn purge() -> Schema {
    let confirmed = flag().that("False is refused.");
    asked::<queues::PurgeRequest<'_>>(&[], &[("delete_messages_permanently", confirmed)])
}

fn new_consumer() -> Schema {
    let settings = asked::<consumers::Settings<'_>>(
        &[],
        &[
            ("batch_size", number(Limits::CONSUMER_BATCH)),
            ("max_concurrency", number(Limits::WORKER_CONCURRENCY)),
            ("max_retries", number(Limits::RETRIES)),
            ("max_wait_time_ms", number(Limits::WORKER_WAIT_MS)),
            ("retry_delay", number(Limits::DELAY_SECONDS)),
            ("visibility_timeout_ms", number(Limits::VISIBILITY_TIMEOUT_MS)),
        ],
    );
    let script = || text_of(0..=NAME_BYTES_MAX);
    let target =
        any_of([matching(QUEUE_NAME), one_of(&[""])]).that("A queue's name; it is created when absent.");
    asked::<consumers::Request<'_>>(
        &[("type", one_of(&["http_pull", "worker"]))],
        &[
            ("settings", settings),
            ("dead_letter_queue", target),
            ("script_name", script().that("Required for a worker.")),
            ("service", script().that("Older name of script_name.")),
            ("environment_name", script()),
            ("environment", script().that("Older name of environment_name.")),
        ],
    )
}

fn source() -> Schema {
    let selector = || text_of(1..=NAME_BYTES_MAX);
    let fields = [
        "domain",
        "model_name",
        "namespace",
        "repo_name",
        "script_tag",
        "worker_name",
        "workflow_name",
        "zone_id",
    ];
    let optional: Vec<_> = fields.into_iter().map(|field| (field, selector())).collect();
    asked::<subscriptions::sources::Given<'_>>(
        &[("type", one_of(&subscriptions::sources::kinds()))],
        &optional,
    )
}

fn destination() -> Schema {
    asked::<subscriptions::Destination<'_>>(&[("queue_id", id())], &[("type", one_of(&["queues.queue"]))])
}

fn new_subscription() -> Schema {
    asked::<subscriptions::Request<'_>>(
        &[
            ("name", text_of(1..=NAME_BYTES_MAX)),
            ("source", source()),
            ("destination", destination()),
            ("events", events()),
        ],
        &[("enabled", flag())],
    )
}

fn subscription_change() -> Schema {
    asked::<subscriptions::Request<'_>>(
        &[],
        &[
            ("name", text_of(1..=NAME_BYTES_MAX)),
            ("source", anything().that("Passed over: it cannot change.")),
            ("destination", destination()),
            ("events", events()),
            ("enabled", flag()),
        ],
    )
}

fn events() -> Schema {
    list(text(), 1..=subscriptions::sources::EVENTS_MAX)
}

fn new_account() -> Schema {
    asked::<access::admin::AccountFields<'_>>(&[], &[("id", id()), ("name", text_of(0..=NAME_BYTES_MAX))])
}

fn new_token() -> Schema {
    let scopes = one_of(&["push", "consume", "read", "write", "admin"]);
    asked::<access::admin::TokenFields<'_>>(
        &[("scopes", list(scopes, 1..=5))],
        &[
            ("name", text_of(0..=NAME_BYTES_MAX)),
            ("queue_id", id()),
            ("queue_prefix", matching("^[a-z0-9-]{1,63}$")),
            ("expires_on", text().that("A moment in RFC 3339.")),
            ("email", text()),
        ],
    )
}
