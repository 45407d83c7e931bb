// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/mapped_file.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

namespace tessera::storage {
namespace {

// ---- the message of a page that cannot be read. Its handler may only read memory, write and exit.

struct Mapping {
  std::atomic<std::uintptr_t> begin = 0;  // 0: free
  std::atomic<std::uintptr_t> end = 0;
  std::array<char, 512> path{};
};

constexpr std::size_t kMostNamed = 4096;  // files beyond them have a message without a name

std::array<Mapping, kMostNamed>& mappings() {
  static auto* const all = new std::array<Mapping, kMostNamed>;  // for as long as a signal may come
  return *all;
}

void print(const char* text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

void report_bad_page(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const char* path = nullptr;
  for (const Mapping& mapping : mappings())
    if (mapping.begin != 0 && mapping.begin <= address && address < mapping.end) path = mapping.path.data();
  if (path == nullptr) {  // no file of ours
    std::signal(SIGBUS, SIG_DFL);
    return;
  }
  print("tessera: '");
  print(path);
  print("' cannot be read: it became shorter while it was in use, or its disk failed\n");
  _exit(static_cast<int>(ExitStatus::kIo));
}

std::mutex& registering() {
  static std::mutex mutex;
  return mutex;
}

void name_mapping(std::span<const std::byte> bytes, const std::string& path) {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = report_bad_page;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGBUS, &action, nullptr) == 0;
  }();
  if (!installed) return;
  const std::scoped_lock lock(registering());
  for (Mapping& mapping : mappings()) {
    if (mapping.begin != 0) continue;
    mapping.path.fill(0);
    path.copy(mapping.path.data(), mapping.path.size() - 1);
    mapping.end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size());
    mapping.begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    return;
  }
}

void forget_mapping(const std::byte* begin) {
  const std::scoped_lock lock(registering());
  for (Mapping& mapping : mappings())
    if (mapping.begin == reinterpret_cast<std::uintptr_t>(begin)) mapping.begin = 0;
}

constexpr std::uint64_t kPage = 4096;

}  // namespace

MappedFile MappedFile::create(const std::filesystem::path& path, std::uint64_t bytes) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(ExitStatus::kIo, "'{}' cannot be made: {}", path.string(), std::strerror(errno));
  const int reason = bytes == 0 ? 0 : posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  if (reason != 0) {
    close(descriptor);
    unlink(path.c_str());
    fail(ExitStatus::kIo, "'{}' needs {} on its disk: {}", path.string(), text::bytes(bytes), std::strerror(reason));
  }
  return {descriptor, bytes, true, path};
}

MappedFile MappedFile::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    fail(errno == ENOENT ? ExitStatus::kMissingInput : ExitStatus::kIo, "'{}' cannot be opened: {}", path.string(),
         std::strerror(errno));
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    const int reason = errno;
    close(descriptor);
    fail(ExitStatus::kIo, "'{}' cannot be opened: {}", path.string(), std::strerror(reason));
  }
  return {descriptor, static_cast<std::uint64_t>(status.st_size), false, path};
}

MappedFile::MappedFile(int descriptor, std::uint64_t bytes, bool is_writable, const std::filesystem::path& path)
    : descriptor_(descriptor), is_writable_(is_writable) {
  if (bytes == 0) return;
  void* const memory =
      mmap(nullptr, bytes, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) {
    const int reason = errno;
    close(descriptor);
    descriptor_ = -1;
    fail(ExitStatus::kIo, "'{}' cannot be mapped: {}", path.string(), std::strerror(reason));
  }
  bytes_ = {static_cast<std::byte*>(memory), bytes};
  name_mapping(bytes_, path.string());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(std::exchange(other.bytes_, {})),
      is_writable_(other.is_writable_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  std::swap(is_writable_, other.is_writable_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) {
    forget_mapping(bytes_.data());
    munmap(bytes_.data(), bytes_.size());
  }
  if (descriptor_ >= 0) close(descriptor_);
}

void MappedFile::evict(std::uint64_t first, std::uint64_t count) const {
  TESSERA_ASSERT(first <= bytes_.size() && count <= bytes_.size() - first, "bytes outside of their file");
  const std::uint64_t begin = first / kPage * kPage;  // pages at the ends may be read again
  const std::uint64_t length = first + count - begin;
  if (count == 0) return;
  if (is_writable_ && msync(bytes_.data() + begin, length, MS_SYNC) != 0)
    fail(ExitStatus::kIo, "a mapped file cannot be written: {}", std::strerror(errno));
  madvise(bytes_.data() + begin, length, MADV_DONTNEED);
  posix_fadvise(descriptor_, static_cast<off_t>(begin), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

}  // namespace tessera::storage
