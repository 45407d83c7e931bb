// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/run_state.hpp"

#include "core/error.hpp"

#include <charconv>
#include <span>
#include <system_error>

namespace tessera::checkpoint {
namespace {

constexpr const char* kPrefix = "epoch-";
constexpr const char* kSegment = "-segment-";
constexpr const char* kPartial = "/partial_epoch";
constexpr const char* kLosses = "/partial_epoch/losses";
constexpr const char* kStageSeconds = "/partial_epoch/stage_seconds";

void write_partial(storage::FileWriter& manifest, const PartialEpoch& partial) {
  manifest.write<double>(kLosses, std::span(partial.sums.losses), {"sums of the loss so far, by part or in all"});
  manifest.write<double>(kStageSeconds, std::span(partial.stages.seconds), {"time by stage so far", "s"});
  manifest.attribute(kPartial, "segment", partial.segment);
  manifest.attribute(kPartial, "segments", partial.segments);
  manifest.attribute(kPartial, "steps", partial.sums.steps);
  manifest.attribute(kPartial, "terms", partial.sums.terms);
  manifest.attribute(kPartial, "seconds", partial.seconds);
  manifest.attribute(kPartial, "longest_seconds", partial.longest_seconds);
  manifest.attribute(kPartial, "bytes_sent", partial.bytes_sent);
}

PartialEpoch read_partial(const storage::FileReader& manifest) {
  PartialEpoch partial;
  if (!manifest.has(kPartial)) return partial;
  partial.segment = manifest.integer(kPartial, "segment");
  partial.segments = manifest.integer(kPartial, "segments");
  if (partial.segment == 0 || partial.segment >= partial.segments)
    fail(ExitStatus::kBadData, "'{}', {}: segment {} of {}", manifest.path().string(), kPartial, partial.segment,
         partial.segments);
  partial.sums.steps = manifest.integer(kPartial, "steps");
  partial.sums.terms = manifest.integer(kPartial, "terms");
  partial.sums.losses = manifest.read<double>(kLosses);
  partial.seconds = manifest.real(kPartial, "seconds");
  partial.longest_seconds = manifest.real(kPartial, "longest_seconds");
  partial.bytes_sent = manifest.integer(kPartial, "bytes_sent");
  manifest.read_to<double>(kStageSeconds, std::span(partial.stages.seconds));
  return partial;
}

// Takes `prefix` and the digits behind it from the front of `text`.
bool take_number(std::string_view& text, std::string_view prefix, std::uint64_t& number) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

}  // namespace

std::string folder_name(const Position& position) {
  std::string name = fmt::format("{}{:06}", kPrefix, position.epoch);
  if (position.segment > 0) name += fmt::format("{}{:06}", kSegment, position.segment);
  return name;
}

std::optional<Position> position_of(std::string_view name) {
  Position position;
  if (!take_number(name, kPrefix, position.epoch)) return std::nullopt;
  if (name.empty()) return position;
  if (!take_number(name, kSegment, position.segment) || !name.empty() || position.segment == 0) return std::nullopt;
  return position;
}

std::string in_words(const Position& position) {
  if (position.segment == 0) return fmt::format("epoch {}", position.epoch);
  return fmt::format("epoch {} and {} segment{} of the next one", position.epoch, position.segment,
                     position.segment == 1 ? "" : "s");
}

std::string in_words(const RunState& state) {
  if (state.partial.segment == 0) return fmt::format("epoch {}", state.epoch);
  return fmt::format("epoch {} and {} of {} segments of the next one", state.epoch, state.partial.segment,
                     state.partial.segments);
}

void write_run_state(storage::FileWriter& manifest, const RunState& state) {
  manifest.attribute("/", "epoch", state.epoch);
  manifest.attribute("/", "best_epoch", state.best_epoch);
  manifest.attribute("/", "best_mrr", state.best_mrr);
  manifest.attribute("/", "reference_mrr", state.reference_mrr);
  manifest.attribute("/", "checks_since_best", state.checks_since_best);
  manifest.attribute("/", "finished", std::uint64_t{state.finished ? 1U : 0U});
  manifest.attribute("/", "rate_factor", state.rate_factor);
  manifest.attribute("/", "checks_on_plateau", state.checks_on_plateau);
  if (state.partial.segment > 0) write_partial(manifest, state.partial);
}

RunState read_run_state(const storage::FileReader& manifest) {
  return {manifest.integer("/", "epoch"),
          manifest.integer("/", "best_epoch"),
          manifest.real("/", "best_mrr"),
          manifest.real("/", "reference_mrr"),
          manifest.integer("/", "checks_since_best"),
          manifest.integer("/", "checks_on_plateau"),
          manifest.real("/", "rate_factor"),
          manifest.integer("/", "finished") != 0,
          read_partial(manifest)};
}

}  // namespace tessera::checkpoint
