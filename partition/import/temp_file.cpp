// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/temp_file.hpp"

#include "core/error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace tessera::partition {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;

int open_unnamed(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return descriptor;
  // File systems without O_TMPFILE: make a named file and take the name away at once.
  std::string name = (folder / "tessera-import-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

TempFile::TempFile(const std::filesystem::path& folder)
    : folder_(folder.empty() ? std::filesystem::temp_directory_path() : folder) {
  descriptor_ = open_unnamed(folder_);
  if (descriptor_ < 0)
    fail(ExitStatus::kIo, "{}: cannot make a temporary file: {}", folder_.string(), std::strerror(errno));
}

TempFile::~TempFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

TempFile::TempFile(TempFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      folder_(std::move(other.folder_)),
      written_(std::exchange(other.written_, 0)),
      buffer_(std::move(other.buffer_)) {}

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(folder_, other.folder_);
  std::swap(written_, other.written_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

void TempFile::append(std::span<const std::byte> bytes) {
  if (bytes.size() >= kBufferBytes) {
    flush();
    return write(bytes);
  }
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  if (buffer_.capacity() == 0) buffer_.reserve(kBufferBytes);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void TempFile::flush() {
  write(buffer_);
  buffer_.clear();
}

void TempFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(written_));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0)
      fail(ExitStatus::kIo, "{}: cannot write temporary data ({} bytes so far): {}", folder_.string(), written_,
           done == 0 ? "nothing was written" : std::strerror(errno));
    written_ += static_cast<std::uint64_t>(done);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void TempFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t done = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0)
      fail(ExitStatus::kIo, "{}: cannot read temporary data back: {}", folder_.string(),
           done == 0 ? "the file is shorter than it was" : std::strerror(errno));
    offset += static_cast<std::uint64_t>(done);
    out = out.subspan(static_cast<std::size_t>(done));
  }
}

TempReader::TempReader(const TempFile& file, std::uint64_t offset, std::uint64_t bytes, std::size_t buffer_bytes)
    : file_(&file), next_(offset), end_(offset + bytes), buffer_(std::min<std::uint64_t>(bytes, buffer_bytes)) {}

bool TempReader::refill(std::size_t at_least) {
  const std::size_t kept = filled_ - begin_;
  if (kept + (end_ - next_) < at_least) return false;
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, kept);
  if (buffer_.size() < at_least) buffer_.resize(at_least);
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size() - kept, end_ - next_));
  file_->read_at(next_, std::span(buffer_).subspan(kept, wanted));
  next_ += wanted;
  begin_ = 0;
  filled_ = kept + wanted;
  return true;
}

std::span<const std::byte> TempReader::take(std::size_t count) {
  if (filled_ - begin_ < count && !refill(count)) {
    TESSERA_ASSERT(filled_ == begin_ && next_ == end_, "a record of temporary data is cut short");
    return {};
  }
  const std::span<const std::byte> taken(buffer_.data() + begin_, count);
  begin_ += count;
  return taken;
}

std::span<const std::byte> TempReader::take_some(std::size_t granule) {
  if (filled_ - begin_ < granule && !refill(granule)) return take(granule);
  return take((filled_ - begin_) / granule * granule);
}

}  // namespace tessera::partition
