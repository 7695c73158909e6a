use super::page::{Cell, Cut, Ink, Page, width, words};
use super::*;

fn printed(style: &Style, write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut Page::new(style, &mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

const fn style(width: usize) -> Style {
    Style { width: Some(width), color: false, full: false }
}

#[test]
fn control_characters_of_a_capture_do_not_reach_the_terminal() {
    let cell = Cell::plain("a\x1b[31mb\nc\u{9b}d\u{202e}e\t\u{7f}");
    assert_eq!(cell.text(), r"a\u{1b}[31mb\nc\u{9b}d\u{202e}e\t\u{7f}");
}

#[test]
fn a_text_is_cut_by_the_columns_that_it_takes() {
    assert_eq!(Cell::plain("日本語").cut(4, Cut::End).text(), "日…");
    assert_eq!(Cell::plain("abcdef").cut(5, Cut::Middle).text(), "ab…ef");
    assert_eq!(Cell::plain("abcdef").cut(1, Cut::Middle).text(), "…");
    assert_eq!(Cell::plain("abcdef").cut(0, Cut::End).text(), "");
    assert_eq!(Cell::plain("abc").cut(3, Cut::Middle).text(), "abc");
}

#[test]
fn a_sentence_is_broken_between_words_and_a_long_word_where_it_must() {
    let text = printed(&style(12), |page| {
        page.wrapped(Cell::plain("why"), 5, " ", &words("one two threefourfive six", Ink::Plain))
    });
    assert_eq!(text, "why  one two\n     threefo\n     urfive\n     six\n");
}

#[test]
fn a_thing_that_is_longer_than_a_line_is_broken_between_its_words() {
    let items = [Cell::plain("offer"), Cell::plain("audio PCMU/8000 telephone-event/8000 CN/8000")];
    let text = printed(&style(28), |page| page.wrapped(Cell::plain(""), 2, " · ", &items));
    assert_eq!(text, "  offer\n  audio PCMU/8000\n  telephone-event/8000\n  CN/8000\n");
}

#[test]
fn wrapped_lines_fit_whatever_the_width() {
    for limit in 1..40 {
        let text = printed(&style(limit), |page| {
            page.wrapped(Cell::plain("lead"), 6, " · ", &words("a 日本語 abcdefghijklmnop q", Ink::Plain))
        });
        assert!(text.lines().all(|line| width(line) <= limit), "{limit}: {text}");
    }
}

#[test]
fn colours_stand_around_words_only_where_they_are_wanted() {
    let cells = [Cell::plain("a "), Cell::new("b", Ink::Bad), Cell::new("  ", Ink::Good)];
    assert_eq!(printed(&Style { color: true, ..style(9) }, |page| page.line(&cells)), "a \x1b[31mb\x1b[0m\n");
    assert_eq!(printed(&style(9), |page| page.line(&cells)), "a b\n");
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let page = |full| printed(&Style { full, ..style(80) }, |page| page.more(1234, page.shown(1234)));
    assert_eq!(page(false), "  … 1,214 more; --full shows all\n");
    assert_eq!(page(true), "");
}
