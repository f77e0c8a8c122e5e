//! Which objects a request names, apart from its account: what the matrix of rights (store-study §7.4 risk 1) is made of.
//!
//! A token may know of some objects and not of others, wherever they are named: in the path, the query, or the body. So
//! each operation says here which it names. The match is exhaustive, so that a new operation cannot be left out, and a
//! test compares it with the document of all fields, so that a new field cannot be either.

use super::Operation;

/// A kind of object that a token may know of or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A queue, by its id.
    Queue,
    /// A queue, by its id or its name.
    QueueIdOrName,
    /// A queue, by its name: one that is there, or one that the request would bring into being.
    QueueName,
    /// The consumer of the path's queue, by its id.
    Consumer,
    /// An event subscription, by its id.
    Subscription,
    /// A message under a lease, by the lease's id.
    Lease,
    /// A message that was looked at, by its ref.
    Message,
    /// An account, by its id.
    Account,
    /// A token, by its id.
    Token,
}

/// One object that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    /// Where: `{queue}` and the like in the path, `?name` in the query, `/pointer` in the body, in which `*` stands for
    /// each item of a list.
    pub place: &'static str,
    /// What.
    pub object: Object,
}

const fn naming(place: &'static str, object: Object) -> Naming {
    Naming { place, object }
}

const ITS_QUEUE: Naming = naming("{queue}", Object::Queue);
const ITS_CONSUMER: Naming = naming("{item}", Object::Consumer);
const ITS_SUBSCRIPTION: Naming = naming("{item}", Object::Subscription);
const DEAD_LETTERS: Naming = naming("/dead_letter_queue", Object::QueueName);
const QUEUE_NAME: Naming = naming("/queue_name", Object::QueueName);
const DESTINATION: Naming = naming("/destination/queue_id", Object::Queue);

impl Operation {
    /// The objects that a request for it names, those of the path first.
    pub(super) fn names(self) -> &'static [Naming] {
        match self {
            Self::Push | Self::PushBatch | Self::Pull | Self::Peek | Self::Preview => &[ITS_QUEUE],
            Self::Ack => {
                const {
                    &[
                        ITS_QUEUE,
                        naming("/acks/*/lease_id", Object::Lease),
                        naming("/retries/*/lease_id", Object::Lease),
                    ]
                }
            }
            Self::Extend => const { &[ITS_QUEUE, naming("/extend/*/lease_id", Object::Lease)] },
            Self::Discard => const { &[ITS_QUEUE, naming("/refs/*/ref", Object::Message)] },
            Self::AckPreview => {
                const {
                    &[
                        ITS_QUEUE,
                        naming("/acks/*/lease_id", Object::Message),
                        naming("/retries/*/lease_id", Object::Message),
                    ]
                }
            }
            Self::Redrive => const { &[ITS_QUEUE, naming("/destination", Object::QueueIdOrName)] },
            Self::ListQueues => const { &[naming("?name", Object::QueueName)] },
            Self::CreateQueue => &[QUEUE_NAME],
            Self::ReplaceQueue | Self::ChangeQueue => &[ITS_QUEUE, QUEUE_NAME],
            Self::GetQueue | Self::DeleteQueue | Self::GetMetrics | Self::Purge | Self::GetPurge => {
                &[ITS_QUEUE]
            }
            Self::ListConsumers => &[ITS_QUEUE],
            Self::CreateConsumer => &[ITS_QUEUE, DEAD_LETTERS],
            Self::ReplaceConsumer => &[ITS_QUEUE, ITS_CONSUMER, DEAD_LETTERS],
            Self::GetConsumer | Self::DeleteConsumer => &[ITS_QUEUE, ITS_CONSUMER],
            Self::ListSubscriptions => const { &[naming("?queue_id", Object::Queue)] },
            Self::CreateSubscription => &[DESTINATION],
            Self::GetSubscription | Self::DeleteSubscription => &[ITS_SUBSCRIPTION],
            Self::ChangeSubscription => &[ITS_SUBSCRIPTION, DESTINATION],
            Self::CreateAccount => const { &[naming("/id", Object::Account)] },
            Self::CreateToken => const { &[naming("/queue_id", Object::Queue)] },
            Self::RevokeToken => const { &[naming("{item}", Object::Token)] },
            Self::Health
            | Self::Ready
            | Self::Expose
            | Self::Describe
            | Self::ListAccounts
            | Self::ListTokens => &[],
            Self::StartBackup | Self::ShowBackup => &[],
            Self::VerifyToken
            | Self::GetUser
            | Self::ListMemberships
            | Self::ListOwnAccounts
            | Self::GetOwnAccount => &[],
        }
    }
}
