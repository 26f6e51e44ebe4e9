"""A person's own account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.forms import ProfileForm


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Show and change what people may change about themselves."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        # What changed and no more: of the rest somebody may have changed something meanwhile.
        form.instance.save(update_fields=form.changed_data)
        messages.success(request, "Your account was saved.")
        return redirect("home")
    return render(request, "accounts/home.html", {"form": form})
