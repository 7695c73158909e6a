//! Rights that a capture needs no more once its socket is open.
//!
//! In: nothing. Out: a thread that has lost them, and threads that it starts later. Never: a failure where there was
//! nothing to lose.

use std::io;

/// What is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Root's right to write where it owns nothing: files are still to be opened.
    Files,
}

/// `_LINUX_CAPABILITY_VERSION_3`, with two words of 32 capabilities (capget(2)).
const VERSION: u32 = 0x2008_0522;
/// `CAP_DAC_OVERRIDE`.
const DAC_OVERRIDE: u32 = 1;

#[repr(C)]
struct Head {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all capabilities of the calling thread but those that are to be kept.
///
/// # Errors
/// The kernel's.
pub fn drop_privileges(keep: Keep) -> io::Result<()> {
    let mut head = Head { version: VERSION, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: capget writes the two sets that version 3 has, and both structs are laid out as it wants them.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut head, sets.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let kept = if keep == Keep::Files { sets[0].permitted & 1 << DAC_OVERRIDE } else { 0 };
    let sets = [Sets { effective: kept, permitted: kept, inheritable: 0 }, Sets::default()];
    // SAFETY: capset reads a head and the two sets of version 3.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const head, sets.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
