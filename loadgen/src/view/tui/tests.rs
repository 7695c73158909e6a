use super::*;
use crate::view::samples;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

/// A run of 42 seconds.
fn state() -> State {
    let mut state = State::new("turn:127.0.0.1:3478 over udp");
    (1..=42).for_each(|at| state.progress(samples::progress(at)));
    state
}

fn draw(state: &State, width: u16, height: u16, theme: Theme) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| render(frame, state, theme)).expect("a frame");
    terminal
}

fn screen(state: &State, width: u16, height: u16) -> String {
    draw(state, width, height, Theme::of(None)).backend().to_string()
}

#[test]
fn the_dashboard_fits_a_terminal_of_80_by_24() {
    insta::assert_snapshot!("80x24", screen(&state(), 80, 24));
}

#[test]
fn the_dashboard_fills_a_terminal_of_160_by_48() {
    insta::assert_snapshot!("160x48", screen(&state(), 160, 48));
}

#[test]
fn the_page_of_keys_lies_over_the_dashboard() {
    let mut state = state();
    state.update(Action::ToggleHelp);
    insta::assert_snapshot!("help", screen(&state, 80, 24));
}

#[test]
fn a_run_that_has_not_begun_has_a_screen() {
    let text = screen(&State::new("turn:127.0.0.1:3478 over udp"), 80, 24);
    assert!(text.contains("turn:127.0.0.1:3478 over udp  starting"), "{text}");
}

#[test]
fn no_size_of_a_terminal_breaks_it() {
    let mut state = state();
    state.update(Action::ToggleHelp);
    for width in [1, 2, 10, 25, 40, 79, 300] {
        for height in [1, 2, 5, 10, 23, 39, 100] {
            screen(&state, width, height);
        }
    }
}

#[test]
fn esc_closes_the_page_of_keys_before_it_ends_the_run() {
    let mut state = state();
    state.update(Action::ToggleHelp);
    state.update(Action::Back);
    assert_eq!((state.is_help_shown(), state.quit()), (false, Quit::No));
    state.update(Action::Back);
    assert_eq!(state.quit(), Quit::Drain);
}

#[test]
fn the_first_q_drains_and_the_second_ends_at_once() {
    let mut state = state();
    state.update(Action::Quit);
    assert_eq!(state.quit(), Quit::Drain);
    assert!(screen(&state, 80, 24).contains("ENDING: allocations are deleted"));
    state.update(Action::Quit);
    assert_eq!(state.quit(), Quit::Now);
}

#[test]
fn a_paused_display_holds_still_and_catches_up_afterwards() {
    let mut state = state();
    state.update(Action::TogglePause);
    let before = screen(&state, 80, 24);
    state.progress(samples::progress(43));
    assert_eq!(screen(&state, 80, 24), before);
    assert!(before.contains("PAUSED, the run goes on"));
    state.update(Action::TogglePause);
    assert!(screen(&state, 80, 24).contains("00:43 of 01:10"));
}

#[test]
fn zoom_goes_round_through_longer_stretches_of_time() {
    let mut state = state();
    let seen: Vec<usize> = (0..4)
        .map(|_| {
            let seconds = state.seconds_a_column();
            state.update(Action::Zoom);
            seconds
        })
        .collect();
    assert_eq!(seen, [1, 5, 30, 1]);
}

#[test]
fn no_color_draws_no_colour_and_the_same_text() {
    let (plain, coloured) = (draw(&state(), 80, 24, Theme::of(Some("1"))), draw(&state(), 80, 24, Theme::of(None)));
    let has_colour = |terminal: &Terminal<TestBackend>| {
        terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset)
    };
    assert!(!has_colour(&plain) && has_colour(&coloured));
    assert_eq!(plain.backend().to_string(), coloured.backend().to_string());
}

#[test]
fn errors_that_do_not_fit_are_counted() {
    let mut state = state();
    let mut progress = samples::progress(43);
    (400..420).for_each(|code| progress.allocations.errors.add(&code.to_string(), "Why"));
    state.progress(progress);
    assert!(screen(&state, 80, 24).contains("more"), "{}", screen(&state, 80, 24));
}
