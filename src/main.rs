//! The rtcscope program.

fn main() -> std::process::ExitCode {
    rtcscope::cli::main()
}
