//! The domain that every function shares: what there is, where it is kept, and the edges to Lambda.
//!
//! Arrows point one way: error ← values ← domain ← event ← store, queue, http.

pub mod error;

// Values: parsed once at the edge, cannot be wrong afterwards.
pub mod clock;
pub mod email_address;
pub mod id;
pub mod money;
pub mod name;
pub mod password;
pub mod phone_number;

// The domain.
pub mod entitlement;
pub mod limit;
pub mod link;
pub mod phone;
pub mod plan;
pub mod preference;
pub mod session;
pub mod subscription;
pub mod unsubscribe;
pub mod user;
pub mod workspace;

pub mod event;

// Where state and events are kept, together.
pub mod store;

// Proof of who is asking.
pub mod device;
mod ed25519;
pub mod keys;
pub mod secret_key;
pub mod token;

// The edges.
pub mod aws;
pub mod cached;
pub mod delivery;
pub mod env;
pub mod http;
pub mod log;
pub mod parameter;
pub mod queue;
pub mod trace;
