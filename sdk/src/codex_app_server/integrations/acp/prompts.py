"""What an editor sends along with a prompt, as what a turn is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acp import schema

from codex_app_server.inputs import ImageInput, InputItem, TextInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Block: TypeAlias = (
        schema.TextContentBlock
        | schema.ImageContentBlock
        | schema.AudioContentBlock
        | schema.ResourceContentBlock
        | schema.EmbeddedResourceContentBlock
    )

__all__ = ["asked"]


def asked(blocks: Sequence[Block]) -> list[InputItem]:
    """The prompt, in the client's words.

    Raises:
        ValueError: if something in it cannot be told to Codex.
    """
    return [_item(block) for block in blocks]


def _item(block: Block) -> InputItem:
    if isinstance(block, schema.TextContentBlock):
        return TextInput(block.text)
    if isinstance(block, schema.ImageContentBlock):
        return ImageInput(f"data:{block.mime_type};base64,{block.data}")
    if isinstance(block, schema.ResourceContentBlock):
        return TextInput(f"[{block.name}]({block.uri})")
    if isinstance(block, schema.EmbeddedResourceContentBlock):
        resource = block.resource
        if isinstance(resource, schema.TextResourceContents):
            return TextInput(f'<resource uri="{resource.uri}">\n{resource.text}\n</resource>')
        if resource.mime_type is not None and resource.mime_type.startswith("image/"):
            return ImageInput(f"data:{resource.mime_type};base64,{resource.blob}")
        raise ValueError(f"{resource.uri} is neither a text nor an image")
    raise ValueError(f"a prompt cannot have {block.type} in it")
