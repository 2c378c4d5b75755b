//! The picture: for each backend, how many jobs a second each queue adds and drains.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    Backend,
    machine::Machine,
    sample::{LIMIT, OURS, Samples, without_history},
    targets::number,
};
use crate::error::Error;

const WIDTH: u32 = 1_200;
const PANEL_HEIGHT: u32 = 330;
const HEAD: u32 = 50;
const FOOT: u32 = 84;

/// The figures that are drawn, and what they are called there.
const FIGURES: [(&str, &str); 6] = [
    ("add one by one, one task", "add, one task"),
    ("add from 100 tasks", "add, 100 tasks"),
    ("add in bulk of 1,000", "add, 1,000 at once"),
    ("drain at 1, history kept", "drain at 1"),
    ("drain at 10, history kept", "drain at 10"),
    ("drain at 100, history kept", "drain at 100"),
];
const BACKENDS: [Backend; 3] = [Backend::Redis, Backend::Postgres, Backend::Sqlite];

const OUR_COLOUR: RGBColor = RGBColor(20, 92, 158);
const LIMIT_COLOUR: RGBColor = RGBColor(205, 205, 205);
const INK: RGBColor = RGBColor(45, 45, 45);
const GRID: RGBColor = RGBColor(228, 228, 228);
/// Told apart by people who see few colours, too: their lightness differs.
const PEER_COLOURS: [RGBColor; 9] = [
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 160),
    RGBColor(204, 121, 167),
    RGBColor(150, 90, 40),
    RGBColor(240, 205, 80),
    RGBColor(120, 120, 190),
    RGBColor(170, 200, 120),
    RGBColor(110, 110, 110),
    RGBColor(190, 60, 50),
];

pub(crate) fn draw(samples: &Samples, machine: &Machine) -> Result<String, Error> {
    let mut svg = String::new();
    paint(&mut svg, samples, machine)
        .map_err(|error| Error::found(format!("the plot could not be drawn: {error}")))?;
    Ok(svg)
}

fn paint(svg: &mut String, samples: &Samples, machine: &Machine) -> Result<(), Box<dyn std::error::Error>> {
    let backends: Vec<Backend> = BACKENDS
        .into_iter()
        .filter(|backend| !samples.figures(*backend, OURS).is_empty())
        .collect();
    let height = HEAD + PANEL_HEIGHT * backends.len() as u32 + FOOT;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, rest) = root.split_vertically(HEAD);
    let (panels, foot) = rest.split_vertically(PANEL_HEIGHT * backends.len() as u32);
    head.draw_text(
        "Jobs a second, median of the rounds (logarithmic scale; longer is better)",
        &text(20).color(&INK),
        (20, 16),
    )?;
    for (backend, panel) in backends
        .iter()
        .zip(panels.split_evenly((backends.len().max(1), 1)))
    {
        paint_backend(&panel, samples, *backend)?;
    }
    let versions = machine.versions_shown();
    let lines = std::iter::once(machine.shown()).chain(broken(&versions, 150));
    for (line, shown) in lines.enumerate() {
        foot.draw_text(&shown, &text(13).color(&INK), (20, 10 + 20 * line as i32))?;
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One bar of a group.
struct Bar<'a> {
    source: &'a str,
    colour: RGBColor,
}

fn paint_backend(
    panel: &Area<'_>,
    samples: &Samples,
    backend: Backend,
) -> Result<(), Box<dyn std::error::Error>> {
    let bars = bars(samples, backend);
    let value = |source: &str, figure: &str| {
        let figure = match source == OURS || source == LIMIT {
            true => figure,
            false => without_history(figure),
        };
        samples.series(backend, source, figure).median()
    };
    let all = FIGURES
        .iter()
        .flat_map(|(figure, _)| bars.iter().filter_map(|bar| value(bar.source, figure)));
    let (least, most) = all.fold((f64::MAX, f64::MIN), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    if most <= 0.0 {
        return Ok(());
    }
    let groups = FIGURES.len() as f64;
    let (bottom, top) = (10_f64.powf(least.log10().floor()), most * 2.5);
    let panel = panel.margin(0, 14, 20, 20);
    paint_legend(&panel, backend, &bars)?;
    let (_, plot) = panel.split_vertically(52);
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..groups, (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(0)
        .y_labels(6)
        .y_label_style(text(13).color(&INK))
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    let width = 0.84 / bars.len() as f64;
    for (group, (figure, name)) in FIGURES.iter().enumerate() {
        let left = group as f64 + 0.08;
        for (place, bar) in bars.iter().enumerate() {
            let Some(value) = value(bar.source, figure) else {
                continue;
            };
            let from = left + width * place as f64;
            let corners = [(from + width * 0.06, value), (from + width * 0.94, bottom)];
            chart.draw_series([Rectangle::new(corners, bar.colour.filled())])?;
            if bar.source == OURS {
                let style = text(13)
                    .color(&OUR_COLOUR)
                    .pos(Pos::new(HPos::Center, VPos::Bottom));
                let at = (from + width / 2.0, value * 1.08);
                chart.draw_series([Text::new(number(value), at, style)])?;
            }
        }
        let style = text(14).color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
        let (x, y) = chart.backend_coord(&(group as f64 + 0.5, bottom));
        panel_text(&plot, name, style, (x, y + 8))?;
    }
    Ok(())
}

/// At a place that is counted from the corner of the whole picture.
fn panel_text(
    area: &Area<'_>,
    text: &str,
    style: TextStyle<'_>,
    (x, y): (i32, i32),
) -> Result<(), Box<dyn std::error::Error>> {
    let (left, top) = area.get_base_pixel();
    area.draw_text(text, &style, (x - left, y - top))?;
    Ok(())
}

fn paint_legend(
    panel: &Area<'_>,
    backend: Backend,
    bars: &[Bar<'_>],
) -> Result<(), Box<dyn std::error::Error>> {
    panel.draw_text(backend.name(), &text(17).color(&INK), (0, 2))?;
    let mut left = 130;
    let mut top = 4;
    for bar in bars {
        let width = 30 + 7 * bar.source.chars().count() as i32;
        if left + width > WIDTH as i32 - 40 {
            (left, top) = (130, top + 22);
        }
        panel.draw(&Rectangle::new(
            [(left, top), (left + 12, top + 12)],
            bar.colour.filled(),
        ))?;
        panel.draw_text(bar.source, &text(13).color(&INK), (left + 18, top))?;
        left += width;
    }
    Ok(())
}

/// Ours first, the limit last.
fn bars<'a>(samples: &'a Samples, backend: Backend) -> Vec<Bar<'a>> {
    let mut bars = vec![Bar {
        source: OURS,
        colour: OUR_COLOUR,
    }];
    let drawn = samples.peers(backend).into_iter().filter(|peer| {
        FIGURES.iter().any(|(figure, _)| {
            samples
                .series(backend, peer, without_history(figure))
                .median()
                .is_some()
        })
    });
    bars.extend(
        drawn
            .zip(PEER_COLOURS.into_iter().cycle())
            .map(|(source, colour)| Bar { source, colour }),
    );
    if !samples.figures(backend, LIMIT).is_empty() {
        bars.push(Bar {
            source: LIMIT,
            colour: LIMIT_COLOUR,
        });
    }
    bars
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().into()
}

/// Lines of at most so many characters, broken at commas.
fn broken(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in text.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= most => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn a_picture_shows_each_backend_and_queue_that_was_measured() {
        let mut samples = Samples::default();
        for (source, figure, value) in [
            (OURS, FIGURES[0].0, 5_000.0),
            ("BullMQ", "add one by one, one task", 900.0),
            (LIMIT, FIGURES[5].0, 200_000.0),
        ] {
            samples.values.push(Sample {
                backend: Backend::Redis,
                source: source.into(),
                figure: figure.into(),
                unit: "jobs/s".into(),
                round: 1,
                value,
            });
        }
        let machine = Machine {
            cores: 2,
            cpu: "a processor".into(),
            memory_gb: 8.0,
            kernel: "6".into(),
            commit: "abc".into(),
            versions: vec![("Redis".into(), "7.0".into())],
        };
        let svg = draw(&samples, &machine).unwrap();
        for shown in ["Redis", "Oqron", "BullMQ", "limit", "5,000", "a processor"] {
            assert!(svg.contains(shown), "{shown} is missing");
        }
        assert!(!svg.contains("PostgreSQL"));
    }

    #[test]
    fn long_captions_are_broken_at_commas() {
        assert_eq!(broken("one 1, two 2, three 3", 14), ["one 1, two 2, ", "three 3"]);
    }
}
