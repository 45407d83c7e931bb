// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/name_runs.hpp"

#include "core/error.hpp"
#include "core/progress.hpp"
#include "partition/import/external_sort.hpp"
#include "partition/import/names.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace tessera::partition {
namespace {

// Before each name of a run: its number and, in the low bits, its length.
constexpr unsigned kLengthBits = 16;
using Header = std::uint64_t;

struct Ranked {
  std::uint64_t number;
  std::uint64_t rank;
  bool operator<(const Ranked& other) const { return number < other.number; }
};

void sort_records(std::vector<Ranked>& records, std::vector<Ranked>& /*scratch*/) {
  std::sort(records.begin(), records.end());
}

// A run that is merged, at its least name that is left.
class Source {
 public:
  explicit Source(TempReader reader) : reader_(std::move(reader)) {}
  bool advance() {
    const std::span<const std::byte> bytes = reader_.take(sizeof(Header));
    if (bytes.empty()) return false;
    Header header = 0;
    std::memcpy(&header, bytes.data(), sizeof(header));
    number_ = header >> kLengthBits;
    const std::span<const std::byte> name = reader_.take(header & Dictionary::kLongestName);
    name_ = {reinterpret_cast<const char*>(name.data()), name.size()};
    return true;
  }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::string_view name() const { return name_; }

 private:
  TempReader reader_;
  std::uint64_t number_ = 0;
  std::string_view name_;
};

// The names of all runs in ascending order, each with its numbers.
class Merge {
 public:
  void add(TempReader reader) { sources_.emplace_back(std::move(reader)); }

  template <class Consume>
  void run(const Consume& consume) {
    for (Source& source : sources_)
      if (source.advance()) heap_.push_back(&source);
    std::make_heap(heap_.begin(), heap_.end(), later);
    std::string name;
    std::vector<std::uint64_t> numbers;
    while (!heap_.empty()) {
      name.assign(heap_.front()->name());
      numbers.clear();
      while (!heap_.empty() && heap_.front()->name() == name) numbers.push_back(pop());
      consume(name, numbers);
    }
  }

 private:
  static bool later(const Source* a, const Source* b) {
    const int order = a->name().compare(b->name());
    return order != 0 ? order > 0 : a->number() > b->number();
  }

  std::uint64_t pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const std::uint64_t number = heap_.back()->number();
    if (heap_.back()->advance())
      std::push_heap(heap_.begin(), heap_.end(), later);
    else
      heap_.pop_back();
    return number;
  }

  std::vector<Source> sources_;
  std::vector<Source*> heap_;
};

}  // namespace

void NameRuns::add(const Dictionary& dictionary) {
  TESSERA_ASSERT(dictionary.first() == starts_.back(), "numbers of a run go on where the last ended");
  if (!file_) file_.emplace(folder_);
  const std::uint64_t offset = file_->bytes();
  for (const std::uint64_t number : sorted_numbers(dictionary, nullptr)) {
    const std::string_view name = dictionary.name(number);
    const Header header = (number << kLengthBits) | name.size();
    file_->append(std::as_bytes(std::span(&header, 1)));
    file_->append(std::as_bytes(std::span(name)));
  }
  runs_.push_back({offset, file_->bytes() - offset});
  starts_.push_back(dictionary.end());
}

NameRuns::Merged NameRuns::merge(const SortSettings& settings, const Keep& keep) {
  constexpr std::uint64_t kLeastBuffer = std::uint64_t{1} << 14U;
  constexpr std::uint64_t kMostBuffer = std::uint64_t{1} << 20U;
  const std::uint64_t buffer = std::clamp(settings.memory_bytes / 4 / runs_.size(), kLeastBuffer, kMostBuffer);
  file_->flush();
  Merge merge;
  for (const Run& run : runs_) merge.add(TempReader(*file_, run.offset, run.bytes, buffer));
  NameFile names(folder_);
  ExternalSorter<Ranked> ranked(folder_, settings.memory_bytes / 2);
  Progress progress("Merging names", starts_.back(), "names");
  std::uint64_t done = 0;
  merge.run([&](std::string_view name, std::span<const std::uint64_t> numbers) {
    const std::uint64_t rank = keep(numbers) ? names.size() : kNoRank;
    if (rank != kNoRank) names.add(name);
    for (const std::uint64_t number : numbers) ranked.add({number, rank});
    progress.update(done += numbers.size());
  });
  names.finish();
  file_.reset();
  TempFile ranks(folder_);
  ranked.finish([&](const Ranked& record) { ranks.append(std::as_bytes(std::span(&record.rank, 1))); });
  ranks.flush();
  return {std::move(names), RankTable(std::move(ranks), starts_)};
}

}  // namespace tessera::partition
