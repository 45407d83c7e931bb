// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/epoch_line.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::train {
namespace {

const EpochRecord* find_last_validation(std::span<const EpochRecord> records) {
  const auto found =
      std::find_if(records.rbegin(), records.rend(), [](const auto& r) { return r.validation_mrr.has_value(); });
  return found == records.rend() ? nullptr : &*found;
}

std::string in_brackets(const EpochRecord& validated, bool is_best) {
  std::string words = validated.validation_filter.empty() ? "" : "filter: " + validated.validation_filter;
  if (is_best) words += words.empty() ? "the best" : "; the best";
  return words.empty() ? "" : fmt::format(" ({})", words);
}

}  // namespace

double TimeLeft::seconds(double epochs_done) const {
  return seconds(epochs_done, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
}

double TimeLeft::seconds(double epochs_done, double elapsed) const {
  const double done = epochs_done - before_;
  return done > 0 ? elapsed / done * std::max(0.0, epochs_ - epochs_done) : 0;
}

std::string epoch_line(std::span<const EpochRecord> records, const Standing& standing) {
  const EpochRecord& record = records.back();
  std::string line =
      fmt::format("epoch {} of {}: loss {:.4f}, {} triples/s", record.epoch, standing.epochs, record.loss,
                  text::with_thousands(static_cast<std::uint64_t>(record.triples_per_second)));
  if (standing.seconds_left > 0) line += fmt::format(", {} left", text::duration(standing.seconds_left));
  const EpochRecord* validated = find_last_validation(records);
  if (validated == nullptr) return line;
  if (validated != &record) return line + ", " + last_validation(records);
  return line + fmt::format(", validation MRR {:.4f}{}", *record.validation_mrr,
                            in_brackets(record, standing.best_epoch == record.epoch));
}

std::string last_validation(std::span<const EpochRecord> records) {
  const EpochRecord* validated = find_last_validation(records);
  if (validated == nullptr) return "";
  return fmt::format("validation MRR {:.4f} after epoch {}{}", *validated->validation_mrr, validated->epoch,
                     in_brackets(*validated, false));
}

}  // namespace tessera::train
