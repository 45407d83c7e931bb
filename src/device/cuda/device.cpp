// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include "core/error.hpp"
#include "device/cuda/check.hpp"

#include <array>

namespace tessera::device {
namespace {

Version version_of(int number) { return {number / 1000, number % 1000 / 10}; }  // 13020 is 13.2

[[noreturn]] void no_device(cudaError_t cause) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  const Version have = version_of(driver);
  const Version built = version_of(CUDART_VERSION);
  if (driver == 0)
    fail(ExitStatus::kUsage, "no device: no NVIDIA driver is loaded here (program built with CUDA {}.{})", built.major,
         built.minor);
  fail(ExitStatus::kUsage, "no device: {} (driver for CUDA {}.{}, program built with CUDA {}.{})",
       cudaGetErrorString(cause), have.major, have.minor, built.major, built.minor);
}

}  // namespace

void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // an error that is reported here must not surface again at the next kernel
  int device = -1;
  if (cudaGetDevice(&device) != cudaSuccess) device = -1;
  const auto exit = status == cudaErrorMemoryAllocation ? ExitStatus::kOverBudget : ExitStatus::kInternal;
  fail(exit, "device {}: {} failed: {} ({})", device, call, cudaGetErrorString(status), cudaGetErrorName(status));
}

void make_current(Device device) {
  int current = -1;
  TESSERA_CUDA_TRY(cudaGetDevice(&current));
  if (current != device.index()) TESSERA_CUDA_TRY(cudaSetDevice(device.index()));
}

bool built_with_cuda() { return true; }

int device_count() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    (void)cudaGetLastError();
    no_device(status == cudaSuccess ? cudaErrorNoDevice : status);
  }
  return count;
}

Device Device::open(int index) {
  const int count = device_count();
  if (index < 0 || index >= count)
    fail(ExitStatus::kUsage, "no device {}: this process sees {} (CUDA_VISIBLE_DEVICES may hide others)", index, count);
  const Device device(index);
  check_supported(device.properties());
  return device;
}

Properties Device::properties() const {
  cudaDeviceProp read{};
  TESSERA_CUDA_TRY(cudaGetDeviceProperties(&read, index_));
  std::array<char, 32> bus_id{};
  TESSERA_CUDA_TRY(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), index_));
  int driver = 0;
  int runtime = 0;
  TESSERA_CUDA_TRY(cudaDriverGetVersion(&driver));
  TESSERA_CUDA_TRY(cudaRuntimeGetVersion(&runtime));
  return {read.name,           bus_id.data(),       {read.major, read.minor}, version_of(driver),
          version_of(runtime), read.totalGlobalMem, read.multiProcessorCount};
}

std::uint64_t Device::free_bytes() const {
  make_current(*this);
  std::size_t available = 0;
  std::size_t total = 0;
  TESSERA_CUDA_TRY(cudaMemGetInfo(&available, &total));
  return available;
}

}  // namespace tessera::device
