"""`KernelLayer`: what layers with a kernel, a bias and an activation share."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit import activations, constraints, initializers, regularizers
from streamfit._base.configs import Config, describe
from streamfit.activations.lookup import serialize
from streamfit.kernels.bias_activation import FUSED
from streamfit.layers.base import Layer
from streamfit.layers.checks import Checked, activation_function
from streamfit.ops import Variable


class KernelLayer(Layer):
    """Base of layers that multiply by a kernel, add a bias and apply an activation.

    Attributes:
        kernel: The kernel; its last axis is that of the output.
        bias: A number for each place of that axis, with `use_bias`; else None.
    """

    bias: Variable | None = None

    fixed = Layer.fixed | {
        *("use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer"),
        *("kernel_constraint", "bias_constraint"),
    }
    activation = Checked(activation_function)

    def set_kernel_options(
        self,
        activation: object,
        use_bias: bool,
        kernel_initializer: object,
        bias_initializer: object,
        kernel_regularizer: object,
        bias_regularizer: object,
        kernel_constraint: object,
        bias_constraint: object,
    ) -> None:
        """Keep the arguments that all these layers take; each checks what it names."""
        self.activation = activation
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def add_kernel(self, shape: Sequence[int]) -> None:
        """Create the kernel, and the bias if there is one."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=shape[-1:],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    @property
    def fused_activation(self) -> str | None:
        """Return the name of the activation if the operation can apply it with the bias, else None."""
        name = activations.name_of(self.activation)
        fuses = self.use_bias and name in FUSED and activations.get(name) is self.activation
        return str(name) if fuses else None

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "activation": serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": describe(self.kernel_initializer),
            "bias_initializer": describe(self.bias_initializer),
            "kernel_regularizer": describe(self.kernel_regularizer),
            "bias_regularizer": describe(self.bias_regularizer),
            "kernel_constraint": describe(self.kernel_constraint),
            "bias_constraint": describe(self.bias_constraint),
        }
