// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/dataset_bytes.hpp"

#include "core/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tessera::storage {

DatasetBytes::DatasetBytes(int descriptor, std::uint64_t offset, std::uint64_t size, std::filesystem::path file,
                           std::string dataset)
    : descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)),
      offset_(offset),
      size_(size),
      file_(std::move(file)),
      dataset_(std::move(dataset)) {
  struct stat status {};
  const bool is_open = descriptor_ >= 0 && fstat(descriptor_, &status) == 0;
  const int reason = errno;
  const auto file_bytes = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  if (is_open && offset <= file_bytes && size <= file_bytes - offset) return;
  if (descriptor_ >= 0) close(descriptor_);
  if (!is_open) fail(ExitStatus::kIo, "{} cannot be opened: {}", name(), std::strerror(reason));
  fail(ExitStatus::kBadData, "{}: claims to be larger than its file", name());
}

DatasetBytes::DatasetBytes(DatasetBytes&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      offset_(other.offset_),
      size_(std::exchange(other.size_, 0)),
      file_(std::move(other.file_)),
      dataset_(std::move(other.dataset_)),
      memory_(std::move(other.memory_)) {}

DatasetBytes& DatasetBytes::operator=(DatasetBytes&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(offset_, other.offset_);
  std::swap(size_, other.size_);
  std::swap(file_, other.file_);
  std::swap(dataset_, other.dataset_);
  std::swap(memory_, other.memory_);
  return *this;
}

DatasetBytes::~DatasetBytes() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string DatasetBytes::name() const {
  return descriptor_ < 0 && file_.empty() ? "bytes in memory"
                                          : fmt::format("'{}', dataset {}", file_.string(), dataset_);
}

void DatasetBytes::read(std::uint64_t first, std::span<std::uint8_t> out) const {
  TESSERA_ASSERT(first <= size_ && out.size() <= size_ - first, "bytes outside of their dataset");
  if (descriptor_ < 0) {
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(first), out.size(), out.begin());
    return;
  }
  while (!out.empty()) {
    const ssize_t done = pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset_ + first));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(ExitStatus::kIo, "{} cannot be read: {}", name(), std::strerror(errno));
    if (done == 0) fail(ExitStatus::kBadData, "{}: the file has become shorter since it was opened", name());
    first += static_cast<std::uint64_t>(done);
    out = out.subspan(static_cast<std::size_t>(done));
  }
}

}  // namespace tessera::storage
