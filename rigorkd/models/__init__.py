"""Models by name: small CNNs, CIFAR ResNets, torchvision's; heads and starts."""
