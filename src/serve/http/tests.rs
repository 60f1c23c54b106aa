//! What the pieces share in their tests. Whole requests are in `tests/http.rs`.

#[allow(dead_code)] // Each file of tests uses a part.
#[path = "../../../tests/support/certificates.rs"]
pub(super) mod certificates;
