//! Skeleton, being filled in.
