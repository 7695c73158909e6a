use super::list::List;
use super::*;
use crate::model::analyzer::{Analyzer, Options};
use crate::model::capture::{CaptureFacts, FileFacts};
use crate::model::pipeline;
use crate::model::snapshot::{FrameNo, Snapshot};
use crate::source::{CaptureFiles, Input, PacketSource};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::path::Path;
use std::sync::OnceLock;

/// A capture of the repository, as the dashboard sees it.
fn capture(name: &str) -> Snapshot {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).join("input.pcapng");
    let files = CaptureFiles::open(&[Input::Path(path)]).expect("the capture is there");
    let mut analyzer = Analyzer::new(Options { series: true, ..Options::default() });
    let mut reader = files.reader();
    pipeline::run(&mut analyzer, &mut reader, 1);
    let file = FileFacts {
        name: format!("{name}.pcapng"),
        format: "pcapng".to_owned(),
        link_types: vec!["EN10MB".to_owned()],
        ..FileFacts::default()
    };
    analyzer.snapshot(CaptureFacts { files: vec![file], ..CaptureFacts::default() })
}

fn relay() -> &'static Snapshot {
    static CAPTURE: OnceLock<Snapshot> = OnceLock::new();
    CAPTURE.get_or_init(|| capture("webrtc-relay-udp"))
}

fn hold() -> &'static Snapshot {
    static CAPTURE: OnceLock<Snapshot> = OnceLock::new();
    CAPTURE.get_or_init(|| capture("sip-hold"))
}

fn loss() -> &'static Snapshot {
    static CAPTURE: OnceLock<Snapshot> = OnceLock::new();
    CAPTURE.get_or_init(|| capture("webrtc-loss"))
}

fn state(snapshot: &Snapshot, size: (u16, u16)) -> State {
    let mut state = State::new("call.pcapng");
    state.refresh(snapshot);
    state.resize(size.0, size.1, snapshot);
    state
}

fn draw(state: &State, snapshot: &Snapshot, size: (u16, u16), theme: Theme) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal");
    terminal.draw(|frame| render(frame, state, snapshot, theme)).expect("a frame");
    terminal
}

fn screen(state: &State, snapshot: &Snapshot, size: (u16, u16)) -> String {
    draw(state, snapshot, size, Theme::of(None)).backend().to_string()
}

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 48);

/// All screens of a capture, in both sizes.
fn snapshots(name: &str, snapshot: &Snapshot) {
    for size in [SMALL, LARGE] {
        let mut state = state(snapshot, size);
        for on in Screen::ALL {
            state.update(Action::Show(on), snapshot);
            let title = format!("{name}-{}-{}x{}", on.name().to_lowercase(), size.0, size.1);
            insta::assert_snapshot!(title, screen(&state, snapshot, size));
        }
    }
}

#[test]
fn every_screen_shows_a_call_through_a_relay() {
    snapshots("relay", relay());
}

#[test]
fn every_screen_shows_a_call_that_is_put_on_hold() {
    snapshots("hold", hold());
}

#[test]
fn the_page_of_keys_has_room_for_all_of_them_and_closing_it_does_nothing_else() {
    let mut state = state(relay(), SMALL);
    state.update(Action::ToggleHelp, relay());
    let text = screen(&state, relay(), SMALL);
    for binding in keymap::KEYMAP {
        let said = binding.meaning.map(|meaning| format!("{:<7}{meaning}", binding.name));
        assert!(said.is_none_or(|said| text.contains(&said)), "{}:\n{text}", binding.name);
    }
    state.update(Action::Back, relay());
    assert!(!state.is_help_shown() && !state.is_over());
}

#[test]
fn no_size_of_a_terminal_breaks_it() {
    for (width, height) in [(1, 1), (2, 40), (10, 3), (25, 10), (79, 23), (300, 100), (40, 1)] {
        let mut state = state(relay(), (width, height));
        for on in Screen::ALL {
            state.update(Action::Show(on), relay());
            for action in [Action::Last, Action::PageDown, Action::Open, Action::PageUp, Action::ToggleHelp] {
                state.update(action, relay());
                screen(&state, relay(), (width, height));
            }
        }
    }
}

#[test]
fn a_capture_without_anything_has_all_screens() {
    let nothing = Analyzer::new(Options { series: true, ..Options::default() }).snapshot(CaptureFacts::default());
    let mut state = state(&nothing, SMALL);
    for on in Screen::ALL {
        state.update(Action::Show(on), &nothing);
        for action in
            [Action::Down, Action::Last, Action::Open, Action::Right, Action::Sort, Action::Copy, Action::Save]
        {
            assert!(!matches!(state.update(action, &nothing), Some(Effect::Save(_))));
        }
        screen(&state, &nothing, SMALL);
    }
}

#[test]
fn arrows_move_within_the_table_and_the_selected_row_stays_in_sight() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    let last = relay().flows.len() - 1;
    state.update(Action::Up, relay());
    assert_eq!(state.list_state(List::Flows).at, 0);
    for _ in 0..last + 5 {
        state.update(Action::Down, relay());
        let shown = state.list_state(List::Flows);
        assert!((shown.offset..shown.offset + state.room(List::Flows)).contains(&shown.at));
    }
    assert_eq!(state.list_state(List::Flows).at, last);
    state.update(Action::First, relay());
    assert_eq!(state.list_state(List::Flows).selected(), Some(0));
}

#[test]
fn a_filter_keeps_rows_with_its_text_and_esc_brings_the_others_back() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Streams), relay());
    let all = relay().streams.len();
    let wanted = relay().streams.last().expect("a stream").ssrc;
    state.update(Action::Filter, relay());
    assert!(state.is_typing());
    for letter in format!("{wanted:08X}").chars() {
        state.update(Action::Type(letter), relay());
    }
    let found = state.list_state(List::Streams).rows.clone();
    // A stream of retransmissions names the one that it repeats.
    let names = |row: &usize| relay().streams[*row].ssrc == wanted || relay().streams[*row].rtx_of == Some(wanted);
    assert!(!found.is_empty() && found.len() < all && found.iter().all(names), "{found:?}");
    state.update(Action::Cancel, relay());
    assert_eq!((state.is_typing(), state.list_state(List::Streams).rows.len()), (false, all));
}

#[test]
fn a_filter_that_is_kept_holds_after_a_look_elsewhere() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    state.update(Action::Filter, relay());
    "no such text".chars().for_each(|letter| drop(state.update(Action::Type(letter), relay())));
    state.update(Action::Accept, relay());
    state.update(Action::Show(Screen::Overview), relay());
    state.update(Action::Show(Screen::Flows), relay());
    assert!(state.list_state(List::Flows).rows.is_empty());
    assert!(screen(&state, relay(), SMALL).contains("none with this text"));
}

fn type_in(state: &mut State, snapshot: &Snapshot, text: &str) {
    state.update(Action::Filter, snapshot);
    text.chars().for_each(|letter| drop(state.update(Action::Type(letter), snapshot)));
}

#[test]
fn a_filter_is_typed_anew_and_an_empty_one_shows_all() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    let shown =
        |state: &State| (state.list_state(List::Flows).filter.clone(), state.list_state(List::Flows).rows.len());
    let all = relay().flows.len();
    type_in(&mut state, relay(), "no such text");
    state.update(Action::Accept, relay());
    state.update(Action::Filter, relay());
    assert_eq!(shown(&state), (String::new(), all));
    // The key once more keeps what Esc is to bring back.
    type_in(&mut state, relay(), "f1");
    state.update(Action::Cancel, relay());
    assert_eq!(shown(&state), ("no such text".to_owned(), 0));
    state.update(Action::Filter, relay());
    state.update(Action::Accept, relay());
    assert_eq!((shown(&state), state.is_typing()), ((String::new(), all), false));
}

#[test]
fn words_of_a_filter_and_all_of_it_can_be_taken_back_while_it_is_typed() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    let filter = |state: &State| state.list_state(List::Flows).filter.clone();
    type_in(&mut state, relay(), "one two");
    state.update(Action::EraseWord, relay());
    assert_eq!(filter(&state), "one ");
    state.update(Action::Type('x'), relay());
    state.update(Action::Accept, relay());
    state.update(Action::EraseWord, relay());
    state.update(Action::EraseAll, relay());
    assert_eq!(filter(&state), "one x");
    type_in(&mut state, relay(), "two");
    state.update(Action::EraseAll, relay());
    assert_eq!((filter(&state).as_str(), state.is_typing()), ("", true));
}

#[test]
fn what_lies_behind_an_opened_row_is_neither_filtered_nor_sorted() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Sessions), relay());
    for _ in 0..2 {
        state.update(Action::Open, relay());
        type_in(&mut state, relay(), "no such text");
        assert!(!state.is_typing());
        assert!(matches!(state.update(Action::Save, relay()), Some(Effect::Save(_))));
        state.update(Action::Filter, relay());
        assert!(screen(&state, relay(), SMALL).contains("there is no table here to filter"));
        state.update(Action::Sort, relay());
        assert!(screen(&state, relay(), SMALL).contains("there is no table here to sort"));
    }
    let shown = state.list_state(List::Sessions);
    assert_eq!((shown.filter.as_str(), shown.sort), ("", 0));
    state.update(Action::Show(Screen::Stream), relay());
    state.update(Action::Filter, relay());
    assert!(!state.is_typing() && screen(&state, relay(), SMALL).contains("there is no table here to filter"));
}

#[test]
fn a_click_into_the_ladder_ends_the_typing_of_a_filter() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Sessions), relay());
    type_in(&mut state, relay(), "s1");
    state.update(Action::Click(10, 15), relay());
    assert!(state.is_inside() && !state.is_typing());
    state.update(Action::Type('x'), relay());
    assert_eq!(state.list_state(List::Sessions).filter, "s1");
}

#[test]
fn a_screen_says_which_filter_leaves_nothing_for_it() {
    let mut state = state(relay(), LARGE);
    for (table, about, said) in [
        (Screen::Streams, Screen::Stream, "The filter \"zzz\" leaves no stream"),
        (Screen::Sessions, Screen::Sdp, "The filter \"zzz\" leaves no session"),
        (Screen::Sessions, Screen::Sessions, "The filter \"zzz\" leaves no session"),
    ] {
        state.update(Action::Show(table), relay());
        type_in(&mut state, relay(), "zzz");
        state.update(Action::Accept, relay());
        state.update(Action::Show(about), relay());
        let text = screen(&state, relay(), LARGE);
        assert!(text.contains(said) && !text.contains("the whole capture"), "{text}");
        assert!(!text.contains("nothing is known of its course"), "{text}");
    }
}

#[test]
fn streams_stand_worst_first_and_can_be_sorted_by_packets_and_turned_around() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Streams), relay());
    let ids = |state: &State| -> Vec<String> {
        state.list_state(List::Streams).rows.iter().map(|row| relay().streams[*row].id.clone()).collect()
    };
    let worst: Vec<String> = relay().worst_first().iter().map(|row| row.id.clone()).collect();
    assert_eq!(ids(&state), worst);
    (0..5).for_each(|_| drop(state.update(Action::Sort, relay())));
    assert!(screen(&state, relay(), SMALL).contains("by packets"));
    let packets: Vec<u64> =
        state.list_state(List::Streams).rows.iter().map(|row| relay().streams[*row].figures.packets).collect();
    assert!(packets.is_sorted_by(|a, b| a >= b), "{packets:?}");
    let before = ids(&state);
    state.update(Action::Reverse, relay());
    assert_eq!(ids(&state), before.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn sorting_keeps_the_selected_row_selected() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    state.update(Action::Down, relay());
    let selected = state.list_state(List::Flows).selected();
    state.update(Action::Reverse, relay());
    assert_eq!(state.list_state(List::Flows).selected(), selected);
}

#[test]
fn enter_opens_a_stream_and_esc_goes_back() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Streams), relay());
    state.update(Action::Down, relay());
    let id = state.stream(relay()).map(|row| row.id.clone());
    state.update(Action::Open, relay());
    assert_eq!((state.screen(), state.stream(relay()).map(|row| row.id.clone())), (Screen::Stream, id.clone()));
    state.update(Action::Open, relay());
    assert_eq!(state.screen(), Screen::Reports);
    state.update(Action::Back, relay());
    state.update(Action::Back, relay());
    assert_eq!((state.screen(), state.stream(relay()).map(|row| row.id.clone())), (Screen::Streams, id));
}

#[test]
fn enter_on_a_finding_goes_to_its_first_frame_or_to_what_it_is_about() {
    for snapshot in [relay(), hold(), loss()] {
        for row in 0..snapshot.findings.len() {
            let mut state = state(snapshot, SMALL);
            state.update(Action::Show(Screen::Findings), snapshot);
            (0..row).for_each(|_| drop(state.update(Action::Down, snapshot)));
            let finding = &snapshot.findings[state.list_state(List::Findings).selected().expect("a finding")];
            state.update(Action::Open, snapshot);
            let kind = finding.subject.as_deref().and_then(|id| id.chars().next());
            match (kind, state.screen()) {
                (Some('r'), Screen::Stream) => assert!(state.cursor(snapshot).is_some(), "{finding:?}"),
                (Some('s' | 't' | 'p' | 'd' | 'f'), Screen::Sessions) => {
                    let wanted = finding.frames[0];
                    assert_eq!(state.wanted_frame(), Some(wanted), "{finding:?}");
                    let is_event = state.rung().is_some_and(|rung| rung.frame == wanted);
                    let said = format!("frame {wanted} has no line in this ladder");
                    assert_eq!(is_event, !state.message().is_some_and(|message| message.starts_with(&said)));
                }
                (Some('t' | 'p' | 'd'), Screen::Turn) | (Some('f'), Screen::Flows) | (None, Screen::Findings) => {}
                other => panic!("{other:?} of {finding:?}"),
            }
        }
    }
}

#[test]
fn going_to_a_row_that_is_filtered_out_takes_the_filter_away() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    state.update(Action::Filter, relay());
    "no such text".chars().for_each(|letter| drop(state.update(Action::Type(letter), relay())));
    state.update(Action::Accept, relay());
    state.update(Action::Show(Screen::Turn), relay());
    state.update(Action::Open, relay());
    assert_eq!(state.screen(), Screen::Flows);
    let row = state.list_state(List::Flows).selected().expect("a flow");
    assert_eq!(relay().flows[row].id, relay().allocations[0].flow);
}

/// As the program reads it: the frame with its number, taken apart.
fn read(name: &str, number: FrameNo) -> Result<Frame, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).join("input.pcapng");
    let files = CaptureFiles::open(&[Input::Path(path)]).expect("the capture is there");
    let mut reader = files.reader();
    while let Some(record) = reader.next_record() {
        if record.frame == number {
            let fields = crate::dissect::dissect(&record.packet());
            return Ok(Frame { bytes: record.packet().data.to_vec(), fields });
        }
    }
    Err("there is no such frame".to_owned())
}

#[test]
fn enter_goes_into_the_ladder_and_into_the_frame_of_its_event() {
    for size in [SMALL, LARGE] {
        let mut state = state(relay(), size);
        state.update(Action::Show(Screen::Sessions), relay());
        assert_eq!((state.wanted_frame(), state.rung()), (None, None));
        state.update(Action::Open, relay());
        (0..6).for_each(|_| drop(state.update(Action::Down, relay())));
        let frame = state.wanted_frame().expect("an event has a frame");
        assert_eq!(state.rung().map(|rung| rung.frame), Some(frame));
        state.take_frame(frame, read("webrtc-relay-udp", frame));
        assert_eq!(state.wanted_frame(), None);
        state.update(Action::Open, relay());
        assert_eq!(state.focus(), state::Focus::Frame);
        let first = state.field();
        (0..5).for_each(|_| drop(state.update(Action::Down, relay())));
        assert_eq!((state.field(), state.rung().map(|rung| rung.frame)), (first + 5, Some(frame)));
        insta::assert_snapshot!(format!("relay-frame-{}x{}", size.0, size.1), screen(&state, relay(), size));
        state.update(Action::Back, relay());
        state.update(Action::Back, relay());
        assert_eq!((state.is_inside(), state.screen()), (false, Screen::Sessions));
    }
}

#[test]
fn the_bytes_of_the_selected_field_are_shown_the_other_way_round() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Sessions), relay());
    state.update(Action::Open, relay());
    let frame = state.wanted_frame().expect("an event has a frame");
    state.take_frame(frame, read("webrtc-relay-udp", frame));
    state.update(Action::Open, relay());
    state.update(Action::First, relay());
    // Frame, Ethernet, Destination: six bytes, as hexadecimal and as characters.
    (0..2).for_each(|_| drop(state.update(Action::Down, relay())));
    let terminal = draw(&state, relay(), SMALL, Theme::of(None));
    let area = render::areas(ratatui::layout::Rect::new(0, 0, SMALL.0, SMALL.1), Screen::Sessions, true);
    let dump = area.frame.expect("a frame");
    let buffer = terminal.backend().buffer();
    let marked = (41..79).flat_map(|x| (dump.y..dump.bottom()).map(move |y| (x, y)));
    let marked = marked.filter(|at| buffer[*at].modifier.contains(ratatui::style::Modifier::REVERSED)).count();
    assert_eq!(marked, 6 * 3, "{}", terminal.backend());
}

#[test]
fn the_last_event_of_a_ladder_is_in_sight_when_it_is_selected() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Sessions), relay());
    state.update(Action::Open, relay());
    state.update(Action::Last, relay());
    let frame = state.rung().expect("an event").frame;
    assert!(screen(&state, relay(), SMALL).contains(&frame.to_string()));
    state.update(Action::First, relay());
    assert_eq!(state.scroll(), 0);
}

#[test]
fn a_frame_that_cannot_be_had_says_why() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Sessions), relay());
    state.update(Action::Open, relay());
    let frame = state.wanted_frame().expect("an event has a frame");
    state.take_frame(frame, Err("the capture came through a pipe".to_owned()));
    assert!(screen(&state, relay(), SMALL).contains("the capture came through a pipe"));
    assert_eq!(state.wanted_frame(), None);
}

#[test]
fn time_is_zoomed_around_the_cursor_and_panned_within_the_stream() {
    let mut state = state(relay(), LARGE);
    let longest = relay().streams.iter().max_by_key(|row| row.figures.packets).expect("a stream");
    state.update(Action::Show(Screen::Streams), relay());
    while state.stream(relay()).map(|row| &row.id) != Some(&longest.id) {
        state.update(Action::Down, relay());
    }
    state.update(Action::Open, relay());
    let whole = state.window(relay()).expect("a course");
    state.update(Action::Right, relay());
    let cursor = state.cursor(relay()).expect("a moment");
    (0..2).for_each(|_| drop(state.update(Action::Zoom(true), relay())));
    let (from, to) = state.window(relay()).expect("a course");
    assert!((3.9..4.1).contains(&(whole.1.millis_since(whole.0) / to.millis_since(from))));
    assert!(from < cursor && cursor < to);
    insta::assert_snapshot!("relay-zoomed-160x48", screen(&state, relay(), LARGE));
    (0..20).for_each(|_| drop(state.update(Action::Pan(true), relay())));
    assert_eq!(state.window(relay()).map(|window| window.1), Some(whole.1));
    assert!(state.cursor(relay()) >= state.window(relay()).map(|window| window.0));
    (0..9).for_each(|_| drop(state.update(Action::Zoom(false), relay())));
    assert_eq!(state.window(relay()), Some(whole));
    state.update(Action::Aside(1), relay());
    assert_eq!(state.cursor(relay()), None);
}

#[test]
fn a_stream_with_more_gaps_than_are_kept_says_how_many_there_are() {
    let mut many = loss().clone();
    let row = many.streams.iter_mut().find(|row| !row.figures.notes.losses.is_empty()).expect("a stream with a gap");
    let (id, place) = (row.id.clone(), row.figures.notes.losses[0]);
    assert!(place.missing > 0);
    row.figures.notes.losses = vec![place; 8];
    row.figures.sequence.loss_runs = [(1, 15), (2, 3)].into();
    let shown = |snapshot: &Snapshot| {
        let mut state = state(snapshot, LARGE);
        state.update(Action::Show(Screen::Streams), snapshot);
        type_in(&mut state, snapshot, &format!("{id} "));
        state.update(Action::Accept, snapshot);
        state.update(Action::Show(Screen::Stream), snapshot);
        let figures = state.below().iter().flatten().map(|cell| cell.text()).collect::<String>();
        (screen(&state, snapshot, LARGE), figures)
    };
    let (chart, figures) = shown(&many);
    assert!(chart.contains("Lost: the first 8 of 18 gaps"), "{chart}");
    assert!(figures.contains("the first 8 of 18 gaps"), "{figures}");
    let row = many.streams.iter_mut().find(|row| row.id == id).expect("the stream");
    row.figures.sequence.loss_runs = [(1, 8)].into();
    let (chart, figures) = shown(&many);
    assert!(!chart.contains("Lost: ") && !figures.contains("of 8 gaps"), "all of them are told");
}

#[test]
fn cases_that_are_not_listed_are_counted_with_those_that_are() {
    let mut many = loss().clone();
    many.findings.truncate(1);
    let rest = crate::model::snapshot::Finding { cases: 148, ..many.findings[0].clone() };
    many.findings.push(rest);
    let said = format!("149 {}s", many.findings[0].severity.name().replace("info", "note"));
    let state = state(&many, LARGE);
    let text = screen(&state, &many, LARGE);
    assert!(text.contains(&said), "no {said}:\n{text}");
}

#[test]
fn a_click_selects_a_row_or_a_screen() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Click(13, 0), relay());
    assert_eq!(state.screen(), Screen::Streams);
    state.update(Action::Show(Screen::Flows), relay());
    // The frame and one line of heads lie above the rows.
    state.update(Action::Click(5, 4), relay());
    assert_eq!(state.list_state(List::Flows).at, 1);
    state.update(Action::Click(79, 23), relay());
    assert_eq!(state.list_state(List::Flows).at, 1);
}

#[test]
fn the_frame_that_a_finding_cites_is_shown_until_another_event_is_selected() {
    let row = loss().findings.iter().position(|finding| finding.code == "ICE_PAIR_SWITCHED").expect("a finding");
    let mut state = state(loss(), LARGE);
    state.update(Action::Show(Screen::Findings), loss());
    let at = |state: &State| state.list_state(List::Findings).selected();
    while at(&state) != Some(row) {
        let before = at(&state);
        state.update(Action::Down, loss());
        assert_ne!(before, at(&state), "it is in the list");
    }
    state.update(Action::Open, loss());
    let cited = loss().findings[row].frames[0];
    let nearest = state.rung().expect("an event").frame;
    assert_eq!(state.wanted_frame(), Some(cited));
    assert_ne!(nearest, cited);
    assert!(screen(&state, loss(), LARGE).contains(&format!("the nearest is {nearest}")));
    state.update(Action::Up, loss());
    assert_eq!(state.wanted_frame(), state.rung().map(|rung| rung.frame));
    state.update(Action::Back, loss());
    assert_eq!(state.wanted_frame(), None);
}

#[test]
fn what_is_saved_of_a_stream_is_its_source_and_no_more() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Stream), relay());
    let Some(Effect::Save(selection)) = state.update(Action::Save, relay()) else { panic!("nothing to save") };
    let stream = state.stream(relay()).expect("a stream");
    assert_eq!((&selection.name, &selection.packets.of), (&stream.id, &stream.id));
    let part = &selection.packets.flows[0];
    assert_eq!((part.rest, part.own.iter().collect::<Vec<_>>()), (None, vec![&(stream.src, stream.ssrc)]));
    let (a, b) = part.ends;
    assert!([a, b].contains(&stream.src) && [a, b].contains(&stream.dst), "{selection:?}");
}

#[test]
fn what_is_saved_of_a_session_is_its_signalling_and_its_media() {
    let mut state = state(hold(), SMALL);
    state.update(Action::Show(Screen::Sessions), hold());
    let Some(Effect::Save(selection)) = state.update(Action::Save, hold()) else { panic!("nothing to save") };
    let session = &hold().sessions[0];
    assert_eq!((selection.name.as_str(), selection.packets.call_id.as_ref()), ("s1", Some(&session.call_id)));
    let sources: usize = selection.packets.flows.iter().map(|part| part.own.len()).sum();
    assert_eq!(sources, session.call.streams.len());
}

#[test]
fn what_is_saved_of_a_finding_is_what_it_is_about_or_the_frames_that_it_cites() {
    for snapshot in [relay(), hold(), loss()] {
        let mut state = state(snapshot, SMALL);
        state.update(Action::Show(Screen::Findings), snapshot);
        for _ in 0..snapshot.findings.len() {
            let finding = &snapshot.findings[state.list_state(List::Findings).selected().expect("a finding")];
            match (state.update(Action::Save, snapshot), &finding.subject) {
                (Some(Effect::Save(selection)), Some(subject)) => assert_eq!(selection.name, *subject),
                (Some(Effect::Save(selection)), None) => {
                    assert!(selection.packets.frames.iter().eq(&finding.frames), "{selection:?} {finding:?}");
                }
                (None, None) => assert!(finding.frames.is_empty(), "{finding:?}"),
                other => panic!("{other:?} of {finding:?}"),
            }
            state.update(Action::Down, snapshot);
        }
    }
}

#[test]
fn the_copy_of_a_row_has_what_its_columns_say() {
    let mut state = state(hold(), SMALL);
    state.update(Action::Show(Screen::Flows), hold());
    let Some(Effect::Copy(text)) = state.update(Action::Copy, hold()) else { panic!("nothing to copy") };
    assert!(text.starts_with("f1\t") && text.contains(&hold().flows[0].b.to_string()), "{text}");
    state.update(Action::Show(Screen::Sdp), hold());
    assert!(matches!(state.update(Action::Copy, hold()), Some(Effect::Copy(text)) if text.contains("Offer")));
}

#[test]
fn the_copy_inside_of_a_row_is_the_selected_event_or_field() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Sessions), relay());
    state.update(Action::Open, relay());
    (0..6).for_each(|_| drop(state.update(Action::Down, relay())));
    let frame = state.rung().expect("an event").frame;
    let Some(Effect::Copy(text)) = state.update(Action::Copy, relay()) else { panic!("nothing to copy") };
    let words = text.rsplit_once(": ").expect("words").1;
    assert!(text.starts_with(&format!("frame {frame}: ")), "{text}");
    assert!(screen(&state, relay(), LARGE).contains(words.split(' ').next().expect("a word")), "{text}");
    state.take_frame(frame, read("webrtc-relay-udp", frame));
    state.update(Action::Open, relay());
    state.update(Action::First, relay());
    (0..2).for_each(|_| drop(state.update(Action::Down, relay())));
    let Some(Effect::Copy(text)) = state.update(Action::Copy, relay()) else { panic!("nothing to copy") };
    assert!(text.starts_with("Destination: ") && text.matches(':').count() == 6, "{text}");
}

#[test]
fn where_nothing_is_selected_there_is_nothing_to_copy() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Flows), relay());
    type_in(&mut state, relay(), "zzz");
    state.update(Action::Accept, relay());
    assert_eq!(state.update(Action::Copy, relay()), None);
    assert!(screen(&state, relay(), SMALL).contains("there is nothing here to copy"));
}

#[test]
fn keys_that_come_together_lead_where_they_lead_one_by_one() {
    let keys = [
        Action::Show(Screen::Flows),
        Action::Down,
        Action::Down,
        Action::DetailDown,
        Action::Show(Screen::Findings),
        Action::Down,
        Action::Open,
        Action::Down,
        Action::PageDown,
        Action::Show(Screen::Sessions),
        Action::Open,
        Action::Down,
        Action::Down,
        Action::Back,
        Action::Show(Screen::Streams),
        Action::PageDown,
        Action::Up,
    ];
    for number in 1..=keys.len() {
        let [mut together, mut apart] = [(); 2].map(|()| state(relay(), SMALL));
        for key in keys.into_iter().take(number) {
            assert_eq!(together.advance(key, relay()), apart.update(key, relay()));
        }
        together.catch_up(relay());
        assert_eq!(screen(&together, relay(), SMALL), screen(&apart, relay(), SMALL), "{:?}", &keys[..number]);
    }
}

#[test]
fn what_runs_inside_dtls_is_not_said_to_have_stayed_away() {
    let mut state = state(relay(), LARGE);
    state.update(Action::Show(Screen::Sdp), relay());
    state.update(Action::Last, relay());
    let text = screen(&state, relay(), LARGE);
    let from = text.find("agreed application").expect("a data channel");
    assert!(text[from..].contains("carried inside DTLS") && !text[from..].contains("nothing came"), "{text}");
}

#[test]
fn a_new_snapshot_leaves_the_selected_row_selected() {
    let mut state = state(relay(), SMALL);
    state.update(Action::Show(Screen::Streams), relay());
    state.update(Action::Last, relay());
    let id = state.stream(relay()).map(|row| row.id.clone());
    let mut newer = relay().clone();
    newer.streams.reverse();
    state.refresh(&newer);
    assert_eq!(state.stream(&newer).map(|row| row.id.clone()), id);
}

#[test]
fn no_color_draws_no_colour_and_the_same_text() {
    let mut state = state(relay(), LARGE);
    for on in Screen::ALL {
        state.update(Action::Show(on), relay());
        let plain = draw(&state, relay(), LARGE, Theme::of(Some("1")));
        let has_colour = |terminal: &Terminal<TestBackend>| {
            terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
        };
        let coloured = draw(&state, relay(), LARGE, Theme::of(None));
        assert!(!has_colour(&plain) && has_colour(&coloured));
        assert_eq!(plain.backend().to_string(), coloured.backend().to_string());
    }
}

/// Where they change, the blocks of README.md are to be what this prints.
#[test]
fn the_screens_of_the_readme_are_those_of_these_captures() {
    let readme = include_str!("../../../README.md");
    let mut streams = state(loss(), SMALL);
    streams.update(Action::Show(Screen::Streams), loss());
    let mut ladder = state(relay(), SMALL);
    ladder.update(Action::Show(Screen::Sessions), relay());
    ladder.update(Action::Open, relay());
    (0..6).for_each(|_| drop(ladder.update(Action::Down, relay())));
    let frame = ladder.wanted_frame().expect("an event has a frame");
    ladder.take_frame(frame, read("webrtc-relay-udp", frame));
    ladder.update(Action::Open, relay());
    (0..5).for_each(|_| drop(ladder.update(Action::Down, relay())));
    for (state, snapshot) in [(streams, loss()), (ladder, relay())] {
        let drawn = screen(&state, snapshot, SMALL);
        let lines = drawn.lines().map(|line| line.trim_matches('"').trim_end());
        let block: String = lines.map(|line| format!("{line}\n")).collect();
        assert!(readme.contains(&format!("```text\n{block}```")), "the README does not show\n{block}");
    }
}
