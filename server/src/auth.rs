//! Who is calling: passwords (argon2id), sessions and HTTP Basic, and the brake on guessing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use app::backend::Caller;
use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use domain::{AccountId, Timestamp, User};
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tower_sessions::Session;

use crate::clock;
use crate::config::Config;

/// The shortest password that an account may have.
pub const PASSWORD_MINIMUM: usize = 12;

const SIGNED_IN: &str = "signed_in";

/// What a session remembers of its sign-in.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct SignedIn {
    account: AccountId,
    at: Timestamp,
    /// When the idle clock was last set back.
    seen: Timestamp,
    /// The password it was made with, see [`mark`]: a new one ends the session. Empty in sessions of before.
    #[serde(default)]
    password: String,
}

/// Tells one stored password from another and nothing about either.
fn mark(hash: &str) -> String {
    hex::encode(Sha256::digest(hash.as_bytes()))
}

/// Hashes with argon2id and its default cost; about 50 ms, so never on the async threads.
pub async fn hash_password(password: String) -> anyhow::Result<String> {
    tokio::task::spawn_blocking(move || {
        let salt = SaltString::generate(&mut OsRng);
        Argon2::default()
            .hash_password(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(|error| anyhow!("cannot hash a password: {error}"))
    })
    .await?
}

async fn verify_password(password: String, hash: String) -> bool {
    tokio::task::spawn_blocking(move || {
        PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    })
    .await
    .unwrap_or(false)
}

/// Why a password is refused, in words for the form.
pub fn check_new_password(password: &str) -> Result<(), String> {
    if password.chars().count() < PASSWORD_MINIMUM {
        return Err(format!("a password needs at least {PASSWORD_MINIMUM} characters"));
    }
    Ok(())
}

/// 24 characters of a set without look-alikes: 128 bits and more.
pub fn generate_password() -> String {
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rng = rand::rng();
    (0..24)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

/// Slows the guessing of passwords: after five refusals of one name from one address, that pair waits a
/// minute. Owned by [`crate::state::AppState`]; in memory, because a restart is no help to a guesser. Names are keys
/// ([`db::name_key`]), since one account has many spellings.
#[derive(Debug)]
pub struct Brake {
    refusals: Mutex<HashMap<(String, IpAddr), (u32, Instant)>>,
    /// Passwords are looked at two at a time, so that tries side by side are counted before the next ones.
    looking: Semaphore,
}

impl Default for Brake {
    fn default() -> Self {
        Self {
            refusals: Mutex::default(),
            looking: Semaphore::new(2),
        }
    }
}

impl Brake {
    const FREE: u32 = 5;
    const WAIT: Duration = Duration::from_secs(60);
    const REMEMBERED: usize = 10_000;

    fn blocked(&self, name: &str, from: IpAddr) -> bool {
        let refusals = self.refusals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        refusals
            .get(&(name.to_owned(), from))
            .is_some_and(|(count, last)| *count >= Self::FREE && last.elapsed() < Self::WAIT)
    }

    fn refused(&self, name: &str, from: IpAddr) {
        let mut refusals = self.refusals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if refusals.len() >= Self::REMEMBERED {
            refusals.retain(|_, (_, last)| last.elapsed() < Self::WAIT);
        }
        if refusals.len() >= Self::REMEMBERED {
            refusals.clear();
        }
        let entry = refusals.entry((name.to_owned(), from)).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= Self::WAIT {
            entry.0 = 0;
        }
        *entry = (entry.0 + 1, Instant::now());
    }

    fn forgive(&self, name: &str, from: IpAddr) {
        let mut refusals = self.refusals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        refusals.remove(&(name.to_owned(), from));
    }
}

/// How a name and password were received.
#[derive(Debug)]
pub enum Verdict {
    Welcome(User),
    /// Wrong name, wrong password or a disabled account: never said which.
    Refused,
    /// Too many refusals; try again in a minute.
    Wait,
}

/// Checks a name and a password.
///
/// # Errors
/// The database cannot be asked.
pub async fn check(db: &db::Db, brake: &Brake, name: &str, password: &str, from: IpAddr) -> Result<Verdict, db::Error> {
    let key = db::name_key(name);
    // It is never closed.
    let _turn = brake.looking.acquire().await;
    if brake.blocked(&key, from) {
        return Ok(Verdict::Wait);
    }
    let found = db.user_by_name(name).await?;
    // An unknown name costs the same time as a wrong password.
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        None => (None, UNKNOWN_NAME_HASH.to_owned()),
    };
    let right = verify_password(password.to_owned(), hash).await;
    match user {
        Some(user) if right && !user.disabled => {
            brake.forgive(&key, from);
            Ok(Verdict::Welcome(user))
        }
        _ => {
            brake.refused(&key, from);
            Ok(Verdict::Refused)
        }
    }
}

/// A hash that no password is known to give, at the same cost as real ones.
const UNKNOWN_NAME_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2hlbnRvbi1uby1zdWNo$3rZbWZq0p7m6Yp7qXQmJ1n5b2m3m1m7m9m0m2m4m6m8";

/// Puts a fresh sign-in into the session, under a new id.
///
/// # Errors
/// The session cannot be kept, or the account is gone.
pub async fn sign_in(session: &Session, db: &db::Db, user: &User) -> anyhow::Result<()> {
    session.cycle_id().await?;
    let now = clock::now();
    let (_, hash) = db.user_with_hash(user.id).await?.context("the account is gone")?;
    let signed_in = SignedIn {
        account: user.id,
        at: now,
        seen: now,
        password: mark(&hash),
    };
    session.insert(SIGNED_IN, signed_in).await?;
    Ok(())
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub idle: Duration,
    pub absolute: Duration,
}

impl Limits {
    pub fn of(config: &Config) -> Self {
        Self {
            idle: config.session_idle_seconds,
            absolute: config.session_absolute_seconds,
        }
    }
}

/// Whether a request is its user's doing, and so sets the idle clock back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Users,
    /// What an open page does by itself.
    Own,
}

/// The session's account, where it is signed in, neither too old nor disabled, and its password still the same.
///
/// # Errors
/// The session or the database cannot be read.
pub async fn of_session(
    session: &Session,
    db: &db::Db,
    limits: Limits,
    activity: Activity,
) -> anyhow::Result<Option<User>> {
    let Some(mut signed_in) = session.get::<SignedIn>(SIGNED_IN).await? else {
        return Ok(None);
    };
    let now = clock::now();
    let user = db.user_with_hash(signed_in.account).await?;
    let user = user.filter(|(user, hash)| !user.disabled && mark(hash) == signed_in.password);
    let user = user.map(|(user, _)| user);
    let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    if user.is_none() || now.0 - signed_in.at.0 > milliseconds(limits.absolute) {
        session.flush().await?;
        return Ok(None);
    }
    // Each time is a write to the database, so not at every request.
    if activity == Activity::Users && now.0 - signed_in.seen.0 > milliseconds(limits.idle / 20).min(60_000) {
        signed_in.seen = now;
        session.insert(SIGNED_IN, signed_in).await?;
    }
    Ok(user)
}

/// A caller as the audit trail and the backend know it.
pub fn caller(user: User, from: IpAddr) -> Caller {
    Caller {
        user,
        from: from.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_alone() {
        let hash = hash_password("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("correct horse battery".to_owned(), hash.clone()).await);
        assert!(!verify_password("correct horse".to_owned(), hash).await);
    }

    #[test]
    fn the_stand_in_hash_is_a_real_argon2id_hash() {
        let hash = PasswordHash::new(UNKNOWN_NAME_HASH).unwrap();
        assert_eq!(hash.algorithm.as_str(), "argon2id");
    }

    #[test]
    fn five_refusals_stop_a_name_from_one_address_alone() {
        let brake = Brake::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..5 {
            assert!(!brake.blocked("admin", here));
            brake.refused("admin", here);
        }
        assert!(brake.blocked("admin", here));
        assert!(!brake.blocked("reader", here));
        assert!(!brake.blocked("admin", IpAddr::from([127, 0, 0, 2])));
        brake.forgive("admin", here);
        assert!(!brake.blocked("admin", here));
    }

    #[test]
    fn generated_passwords_differ_and_pass_the_rule() {
        let one = generate_password();
        assert_ne!(one, generate_password());
        assert!(check_new_password(&one).is_ok());
        assert!(check_new_password("short").is_err());
    }
}
