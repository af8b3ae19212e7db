//! Ed25519 for `jsonwebtoken`, by ring, which TLS has brought along: assembly and C, as fast in a binary that is
//! optimised for size. The library's own backend is fifty times slower there, and carries algorithms that no token of
//! ours may use.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use signature::{Error as SignatureError, Signer, Verifier};

/// Makes it what `jsonwebtoken` signs and verifies with in this process.
pub(crate) fn install() {
    // Whoever has been first has installed the same.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory, verifier_factory, key_utils: KeyUtils::new_unimplemented() };

fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    check(*algorithm, key.family() == Algorithm::EdDSA.family())?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
    Ok(Box::new(Key(pair.map_err(|_| new_error(ErrorKind::InvalidEddsaKey))?)))
}

fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    check(*algorithm, key.family() == Algorithm::EdDSA.family())?;
    Ok(Box::new(Key(UnparsedPublicKey::new(&ED25519, key.try_get_as_bytes()?.to_vec()))))
}

/// There is one algorithm, and its keys serve no other.
fn check(algorithm: Algorithm, is_own_key: bool) -> Result<(), Error> {
    match (algorithm == Algorithm::EdDSA, is_own_key) {
        (true, true) => Ok(()),
        (true, false) => Err(new_error(ErrorKind::InvalidKeyFormat)),
        (false, _) => Err(new_error(ErrorKind::InvalidAlgorithm)),
    }
}

struct Key<K>(K);

impl Signer<Vec<u8>> for Key<Ed25519KeyPair> {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Key<Ed25519KeyPair> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl Verifier<Vec<u8>> for Key<UnparsedPublicKey<Vec<u8>>> {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        self.0.verify(message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Key<UnparsedPublicKey<Vec<u8>>> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
