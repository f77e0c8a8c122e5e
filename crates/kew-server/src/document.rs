//! The OpenAPI document: the operations' ids in it, and the document itself, which the program carries and serves.
//!
//! It is written by a test of this crate from the table of routes and from what `kew-wire` says of each operation, kept as
//! `docs/openapi.json`, and compared in every run: a route or a field that the document lacks fails the test.

use crate::routes::Operation;

/// The document, as JSON. The one answer without an envelope: readers of such documents know none.
pub(crate) const DOCUMENT: &[u8] = include_bytes!("../../../docs/openapi.json");

impl Operation {
    /// The id: the vendor's where there is one (spec §2.0), else Kew's own.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Health => "kew-health",
            Self::Ready => "kew-ready",
            Self::Expose => "kew-metrics",
            Self::Describe => "kew-openapi",
            Self::ListQueues => "queues-list",
            Self::CreateQueue => "queues-create",
            Self::GetQueue => "queues-get",
            Self::ReplaceQueue => "queues-update",
            Self::ChangeQueue => "queues-update-partial",
            Self::DeleteQueue => "queues-delete",
            Self::GetMetrics => "queues-get-metrics",
            Self::Purge => "queues-purge",
            Self::GetPurge => "queues-purge-get",
            Self::ListConsumers => "queues-list-consumers",
            Self::CreateConsumer => "queues-create-consumer",
            Self::GetConsumer => "queues-get-consumer",
            Self::ReplaceConsumer => "queues-update-consumer",
            Self::DeleteConsumer => "queues-delete-consumer",
            Self::Push => "queues-push-message",
            Self::PushBatch => "queues-push-messages",
            Self::Pull => "queues-pull-messages",
            Self::Ack => "queues-ack-messages",
            Self::Peek => "queues-peek-messages",
            Self::Discard => "queues-purge-messages",
            Self::Extend => "queues-extend-messages",
            Self::Preview => "queues-preview-messages",
            Self::AckPreview => "queues-ack-preview-messages",
            Self::Redrive => "kew-redrive-messages",
            Self::ListSubscriptions => "subscriptions-list",
            Self::CreateSubscription => "subscriptions-create",
            Self::GetSubscription => "subscriptions-get",
            Self::ChangeSubscription => "subscriptions-patch",
            Self::DeleteSubscription => "subscriptions-delete",
            Self::VerifyToken => "user-token-verify",
            Self::GetUser => "user-get",
            Self::ListMemberships => "memberships-list",
            Self::ListOwnAccounts => "accounts-list",
            Self::GetOwnAccount => "accounts-get",
            Self::ListAccounts => "kew-list-accounts",
            Self::CreateAccount => "kew-create-account",
            Self::ListTokens => "kew-list-tokens",
            Self::CreateToken => "kew-create-token",
            Self::RevokeToken => "kew-revoke-token",
            Self::StartBackup => "kew-start-backup",
            Self::ShowBackup => "kew-show-backup",
        }
    }
}
