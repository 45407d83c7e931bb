// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/attributes.hpp"

#include "core/cast.hpp"
#include "partition/import/names.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>

namespace tessera::partition {
namespace {

struct Header {
  std::uint64_t entity;
  std::uint32_t attribute;
  std::uint32_t datatype;
  std::uint64_t value_bytes;
};

bool comes_before(const AttributeRow& a, const AttributeRow& b) {
  return std::tie(a.attribute, a.entity, a.value, a.datatype) < std::tie(b.attribute, b.entity, b.value, b.datatype);
}

// Rows in memory; sorted and appended to a file when they reach the limit.
class Runs {
 public:
  Runs(const SortSettings& settings, AttributeFile& file) : limit_bytes_(settings.memory_bytes), file_(&file) {}

  void add(const AttributeRow& row) {
    const std::uint64_t needed = row.value.size() + sizeof(Stored);
    if (!rows_.empty() && used_bytes_ + needed > limit_bytes_) write();
    used_bytes_ += needed;
    rows_.push_back({row, text_.size()});
    text_.append(row.value);
  }

  void write() {
    if (rows_.empty()) return;
    for (Stored& stored : rows_) stored.row.value = {text_.data() + stored.offset, stored.row.value.size()};
    std::sort(rows_.begin(), rows_.end(), [](const Stored& a, const Stored& b) { return comes_before(a.row, b.row); });
    const std::uint64_t start = file_->bytes();
    for (const Stored& stored : rows_) file_->add(stored.row);
    extents_.push_back({start, file_->bytes() - start});
    rows_.clear();
    text_.clear();
    used_bytes_ = 0;
  }

  struct Extent {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  [[nodiscard]] const std::vector<Extent>& extents() const { return extents_; }

 private:
  struct Stored {
    AttributeRow row;
    std::uint64_t offset;
  };
  std::uint64_t limit_bytes_;
  AttributeFile* file_;
  std::vector<Stored> rows_;
  std::string text_;
  std::uint64_t used_bytes_ = 0;
  std::vector<Extent> extents_;
};

struct Source {
  AttributeFile::Reader reader;
  AttributeRow row;
};

template <class Consume>
void merge(const AttributeFile& file, const std::vector<Runs::Extent>& extents, std::uint64_t memory_bytes,
           const Consume& consume) {
  const std::size_t buffer = std::clamp<std::uint64_t>(memory_bytes / std::max<std::size_t>(1, extents.size()),
                                                       std::uint64_t{1} << 14U, std::uint64_t{1} << 20U);
  std::vector<Source> sources;
  sources.reserve(extents.size());
  for (const Runs::Extent& extent : extents) {
    sources.push_back({AttributeFile::Reader(file, extent.offset, extent.bytes, buffer), {}});
    sources.back().reader.next(sources.back().row);
  }
  std::vector<Source*> heap;
  for (Source& source : sources) heap.push_back(&source);
  const auto later = [](const Source* a, const Source* b) { return comes_before(b->row, a->row); };
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    consume(heap.back()->row);
    if (heap.back()->reader.next(heap.back()->row))
      std::push_heap(heap.begin(), heap.end(), later);
    else
      heap.pop_back();
  }
}

}  // namespace

void AttributeFile::add(const AttributeRow& row) {
  const Header header{row.entity, row.attribute, row.datatype, row.value.size()};
  file_.append(std::as_bytes(std::span(&header, 1)));
  file_.append(std::as_bytes(std::span(row.value)));
  ++count_;
}

bool AttributeFile::Reader::next(AttributeRow& row) {
  const std::span<const std::byte> bytes = reader_.take(sizeof(Header));
  if (bytes.empty()) return false;
  Header header{};
  std::memcpy(&header, bytes.data(), sizeof(header));
  const std::span<const std::byte> value = reader_.take(header.value_bytes);
  row = {header.entity, header.attribute, header.datatype, {reinterpret_cast<const char*>(value.data()), value.size()}};
  return true;
}

AttributeFile sort_attributes(const AttributeFile& spilled, const AttributeMaps& maps, const SortSettings& settings,
                              AttributeCounts& counts) {
  AttributeFile sorted_runs(settings.folder);
  Runs runs(settings, sorted_runs);
  AttributeFile::Reader reader(spilled);
  for (AttributeRow row; reader.next(row);) {
    row.entity = maps.entity_ranks[row.entity];
    row.attribute = checked_cast<std::uint32_t>(maps.attribute_ranks[row.attribute]);
    row.datatype = checked_cast<std::uint32_t>(maps.datatype_ranks[row.datatype]);
    if (row.entity == kNoRank)
      ++counts.without_entity;
    else
      runs.add(row);
  }
  runs.write();
  sorted_runs.finish();
  AttributeFile distinct(settings.folder);
  AttributeRow last;
  std::string last_value;
  merge(sorted_runs, runs.extents(), settings.memory_bytes, [&](const AttributeRow& row) {
    if (distinct.size() > 0 && !comes_before(last, row)) {
      ++counts.duplicates;
      return;
    }
    distinct.add(row);
    last_value.assign(row.value);
    last = row;
    last.value = last_value;
  });
  distinct.finish();
  return distinct;
}

}  // namespace tessera::partition
