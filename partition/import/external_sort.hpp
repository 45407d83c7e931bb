// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/temp_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace tessera::partition {

/// Sorts any number of fixed-size records in bounded memory: sorted runs go to a temporary file and are merged. A set
/// that fits one run never touches the disk. Record needs operator< and a function sort_records(records, scratch),
/// found by argument-dependent lookup, that sorts the first vector and may use the second.
template <class Record>
class ExternalSorter {
 public:
  ExternalSorter(std::filesystem::path folder, std::uint64_t memory_bytes)
      : folder_(std::move(folder)),
        run_records_(std::max<std::uint64_t>(memory_bytes / (2 * sizeof(Record)), kLeastRecords)) {}

  void add(const Record& record) {
    if (records_.size() == run_records_) spill();
    if (records_.size() == kSmallRun) records_.reserve(run_records_);  // pages that stay untouched cost nothing
    records_.push_back(record);
  }

  /// Calls consume(record) for every record in ascending order and leaves the sorter empty.
  template <class Consume>
  void finish(const Consume& consume) {
    if (runs_.empty()) {
      sort_records(records_, scratch_);
      for (const Record& record : records_) consume(record);
    } else {
      if (!records_.empty()) spill();
      release();
      merge(consume);
    }
    release();
    runs_.clear();
    file_.reset();
  }

 private:
  static constexpr std::uint64_t kLeastRecords = 1024;
  static constexpr std::uint64_t kSmallRun = std::uint64_t{1} << 16U;
  static constexpr std::uint64_t kLeastBufferBytes = std::uint64_t{1} << 14U;
  static constexpr std::uint64_t kMostBufferBytes = std::uint64_t{1} << 20U;

  struct Run {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  // One run being merged; its smallest record that is left is `head`.
  struct Source {
    TempReader reader;
    std::span<const Record> block;
    Record head{};
    bool advance() {
      if (block.empty()) block = reader.template take_records<Record>();
      if (block.empty()) return false;
      head = block.front();
      block = block.subspan(1);
      return true;
    }
  };

  void spill() {
    if (!file_) file_.emplace(folder_);
    sort_records(records_, scratch_);
    runs_.push_back({file_->bytes(), records_.size() * sizeof(Record)});
    file_->append(std::as_bytes(std::span(records_)));
    records_.clear();
  }

  void release() {
    std::vector<Record>().swap(records_);
    std::vector<Record>().swap(scratch_);
  }

  template <class Consume>
  void merge(const Consume& consume) {
    file_->flush();
    const std::uint64_t buffer =
        std::clamp(2 * run_records_ * sizeof(Record) / runs_.size(), kLeastBufferBytes, kMostBufferBytes);
    std::vector<Source> sources;
    sources.reserve(runs_.size());
    for (const Run& run : runs_) {
      sources.push_back({TempReader(*file_, run.offset, run.bytes, buffer), {}, {}});
      sources.back().advance();  // no run is empty
    }
    std::vector<Source*> heap;
    for (Source& source : sources) heap.push_back(&source);
    const auto later = [](const Source* a, const Source* b) { return b->head < a->head; };
    std::make_heap(heap.begin(), heap.end(), later);
    while (!heap.empty()) {
      consume(heap.front()->head);
      if (!heap.front()->advance()) {
        heap.front() = heap.back();
        heap.pop_back();
      }
      sift_down(heap);
    }
  }

  // Restores the heap after its first source has moved on.
  static void sift_down(std::vector<Source*>& heap) {
    if (heap.empty()) return;
    Source* const moved = heap.front();
    std::size_t at = 0;
    for (std::size_t child = 1; child < heap.size(); child = 2 * at + 1) {
      if (child + 1 < heap.size() && heap[child + 1]->head < heap[child]->head) ++child;
      if (!(heap[child]->head < moved->head)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = moved;
  }

  std::filesystem::path folder_;
  std::uint64_t run_records_;
  std::vector<Record> records_;
  std::vector<Record> scratch_;
  std::vector<Run> runs_;
  std::optional<TempFile> file_;
};

}  // namespace tessera::partition
